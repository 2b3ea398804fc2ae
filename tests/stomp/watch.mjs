// A dashboard's STOMP client, @stomp/stompjs as it is: `node watch.mjs address token subscription…`,
// each a JSON object of SUBSCRIBE's headers (with `destination`). Every frame it gets is a line of
// JSON on its output; the end of its input disconnects it.
import { Client } from "@stomp/stompjs";
import WebSocket from "ws";

const [address, token, ...subscriptions] = process.argv.slice(2);
const tell = (kind, frame) =>
  console.log(JSON.stringify({ kind, headers: frame.headers, body: frame.body ?? "" }));

const client = new Client({
  webSocketFactory: () => new WebSocket(address, ["v12.stomp"]),
  connectHeaders: { Authorization: `Bearer ${token}` },
  heartbeatIncoming: 1000,
  heartbeatOutgoing: 1000,
  reconnectDelay: 0,
});
client.onConnect = (frame) => {
  tell("connected", frame);
  for (const text of subscriptions) {
    const { destination, ...headers } = JSON.parse(text);
    client.subscribe(destination, (message) => tell("message", message), headers);
  }
};
client.onStompError = (frame) => tell("error", frame);
client.onWebSocketClose = (event) => {
  tell("closed", { headers: { code: event.code, reason: event.reason } });
};
process.stdin.resume();
process.stdin.on("end", async () => {
  await client.deactivate();
  process.exit(0);
});
client.activate();
