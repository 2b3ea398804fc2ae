"""The log on Kafka: topics, records, the relay that writes them and the feed that reads them."""
