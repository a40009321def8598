import { connect } from "quorate";

const client = connect({ endpoint: location.origin });
for await (const { events } of client.watch("flags/", { prefix: true })) {
  document.title = `${events.length} changes`;
}
