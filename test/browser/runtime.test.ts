import { expect, test } from "vitest";

test("IndexedDB completes a strict transaction and reads it back from a new connection", async () => {
  const name = `runtime-${crypto.randomUUID()}`;
  const writer = await openDatabase(name);
  const transaction = writer.transaction("entry", "readwrite", { durability: "strict" });
  expect(transaction.durability).toBe("strict");
  transaction.objectStore("entry").put(new Uint8Array([0, 255]), 1);
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = (): void => resolve();
    transaction.onabort = (): void => reject(transaction.error ?? new Error("aborted"));
  });
  writer.close();

  const reader = await openDatabase(name);
  const value = await settled(reader.transaction("entry").objectStore("entry").get(1));
  expect(value).toEqual(new Uint8Array([0, 255]));
  reader.close();
  indexedDB.deleteDatabase(name);
});

test("two RTCPeerConnections of one machine find each other without a server", async () => {
  const [left, right] = [new RTCPeerConnection(), new RTCPeerConnection()];
  left.onicecandidate = ({ candidate }): void => void right.addIceCandidate(candidate);
  right.onicecandidate = ({ candidate }): void => void left.addIceCandidate(candidate);
  const channel = left.createDataChannel("raft", { ordered: true });
  channel.binaryType = "arraybuffer";
  right.ondatachannel = ({ channel: accepted }): void => {
    accepted.binaryType = "arraybuffer";
    accepted.onmessage = ({ data }: MessageEvent<ArrayBuffer>): void => accepted.send(data);
  };
  const echoed = new Promise<ArrayBuffer>((resolve) => {
    channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>): void => resolve(data);
  });
  channel.onopen = (): void => channel.send(new Uint8Array([1, 2, 3]));

  await left.setLocalDescription(await left.createOffer());
  await right.setRemoteDescription(left.localDescription as RTCSessionDescription);
  await right.setLocalDescription(await right.createAnswer());
  await left.setRemoteDescription(right.localDescription as RTCSessionDescription);

  expect(new Uint8Array(await echoed)).toEqual(new Uint8Array([1, 2, 3]));
  left.close();
  right.close();
});

async function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = (): void => void request.result.createObjectStore("entry");
  return settled(request);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result);
    request.onerror = (): void => reject(request.error ?? new Error("request failed"));
  });
}
