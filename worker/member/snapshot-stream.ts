/** A member's snapshot as a stream between objects, each blob sent when the last one has left. */
import type { Member } from "../../src/member/node/member.ts";
import { snapshotService } from "../../src/member/services/maintenance/snapshot-service.ts";

/** Behind whatever checks the caller: it asks no user and no token. */
export function snapshotStream(member: Member, ctx: DurableObjectState): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream();
  ctx.waitUntil(written(member, writable));
  return readable;
}

async function written(member: Member, writable: WritableStream<Uint8Array>): Promise<void> {
  const writer = writable.getWriter();
  try {
    for await (const { blob } of snapshotService(member).snapshot({}, { token: "", requireLeader: false })) {
      await writer.write(blob);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
  }
}
