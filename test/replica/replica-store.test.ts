import { describeReplicaStore } from "../contract/replica-store.ts";
import { Disk } from "./support/memory-replica-store.ts";

describeReplicaStore("memory", async () => {
  const disk = new Disk();
  return async () => disk.open();
});
