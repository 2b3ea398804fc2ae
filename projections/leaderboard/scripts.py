"""What Redis does in one step, as Lua.

MOVE moves the checkpoint, and with it whatever that changes: boards in place, and boards that were
written beside those shown. It does so only if the checkpoint is, byte for byte, the one that was
read. TORN names the boards that do not hold what they say. READ gives a stretch of ranks.
"""

MOVE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local place_of = 3
local function following()
    place_of = place_of + 1
    return ARGV[place_of - 1]
end
for _ = 1, tonumber(following()) do
    local about, description = following(), following()
    local order, held, rows = following(), following(), following()
    for _ = 1, tonumber(following()) do
        local participant, before = following(), following()
        local member, row = following(), following()
        if before ~= '' then redis.call('ZREM', order, before) end
        redis.call('ZREM', held, participant)
        if member ~= '' then redis.call('ZADD', order, 0, member) end
        redis.call('HSET', rows, participant, row)
    end
    redis.call('HSET', about, 'about', description, 'ranked', redis.call('ZCARD', order),
        'held', redis.call('ZCARD', held), 'entrants', redis.call('HLEN', rows))
    redis.call('HDEL', about, 'late', 'late_since')
    redis.call('PERSIST', order)
    redis.call('PERSIST', held)
    redis.call('PERSIST', rows)
end
for _ = 1, tonumber(following()) do
    redis.call('UNLINK', following())
end
for _ = 1, tonumber(following()) do
    redis.call('HDEL', following(), 'late', 'late_since')
end
for _ = 1, tonumber(following()) do
    local about, late = following(), following()
    if redis.call('HSETNX', about, 'late', late) == 1 then
        redis.call('HSET', about, 'late_since', redis.call('TIME')[1])
    end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], redis.call('TIME')[1])
return 1
"""
"""KEYS: checkpoint, seen. ARGV: the checkpoint as read, the new one, boards, keys that go, boards
that have caught up, and those that are late: the positions that they are of stay the first told."""

TORN = """
local torn = {}
for index = 1, #KEYS, 4 do
    local said = redis.call('HMGET', KEYS[index], 'ranked', 'held', 'entrants')
    if tonumber(said[1] or -1) ~= redis.call('ZCARD', KEYS[index + 1])
        or tonumber(said[2] or -1) ~= redis.call('ZCARD', KEYS[index + 2])
        or tonumber(said[3] or -1) ~= redis.call('HLEN', KEYS[index + 3]) then
        torn[#torn + 1] = KEYS[index]
    end
end
return torn
"""
"""KEYS: of each board its about, order, held and rows."""

READ = """
local stand = redis.call('GET', KEYS[1])
if not stand then return {} end
local age = redis.call('TIME')[1] - (redis.call('GET', KEYS[2]) or 0)
local about = redis.call('HMGET', KEYS[3], 'about', 'ranked', 'held', 'entrants', 'late',
    'late_since')
if about[6] then age = redis.call('TIME')[1] - about[6] end
if not about[1] and about[5] then return {stand, age, about[5]} end
if not about[1] then return {stand, age} end
local own = ARGV[1] .. cjson.decode(about[1])['board']
local order, held, rows = own .. '/order', own .. '/held', own .. '/rows'
if redis.call('ZCARD', order) ~= tonumber(about[2]) or redis.call('ZCARD', held) ~=
    tonumber(about[3]) or redis.call('HLEN', rows) ~= tonumber(about[4]) then return {} end
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local mine, place = false, false
if ARGV[4] ~= '' then
    mine = redis.call('HGET', rows, ARGV[4])
    if mine then
        local member = cjson.decode(mine)['member']
        if member and member ~= '' then
            place = redis.call('ZRANK', order, member) + 1
        else
            place = redis.call('ZSCORE', held, ARGV[4])
        end
    end
    if not place then return {stand, age, about, mine, place, {}, {}} end
    first, last = math.max(1, place - first), place + last
end
local ranked = {}
for _, member in ipairs(redis.call('ZRANGE', order, first - 1, last - 1)) do
    ranked[#ranked + 1] = redis.call('HGET', rows, string.sub(member, ARGV[5] + 1))
end
local kept = {}
for _, participant in ipairs(redis.call('ZRANGE', held, first, last, 'BYSCORE')) do
    kept[#kept + 1] = redis.call('ZSCORE', held, participant)
    kept[#kept + 1] = redis.call('HGET', rows, participant)
end
return {stand, age, about, mine, place, ranked, kept, first}
"""
"""KEYS: checkpoint, seen, about. ARGV: what stands before a board's name, the first and last rank
(or how many before and behind a participant), the participant or nothing, the prefix's length."""
