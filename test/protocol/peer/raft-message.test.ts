import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/base/text-codes.ts";
import { DecodeError } from "../../../src/protocol/decode-error.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import {
  decodeConfChange,
  decodeConfState,
  decodeEntries,
  decodeEntry,
  decodeHardState,
  decodeRaftMessage,
  decodeSnapshotMeta,
  encodeConfChange,
  encodeConfState,
  encodeEntries,
  encodeEntry,
  encodeHardState,
  encodeRaftMessage,
  encodeSnapshotMeta,
} from "../../../src/protocol/peer/raft-codec.ts";
import type { RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import {
  confChangeSchema,
  confStateSchema,
  entrySchema,
  hardStateSchema,
  raftWireSchema,
  snapshotMetaSchema,
} from "../../../src/protocol/peer/raft-message-schema.ts";
import { arbitraryMessage } from "../support/arbitrary.ts";
import { arbitraryRaftMessage } from "../support/arbitrary-raft.ts";

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex.replaceAll(" ", ""));
  if (bytes === undefined) throw new Error(`not hexadecimal: ${hex}`);
  return bytes;
}

describe("raft messages", () => {
  test("every message decodes to what was encoded", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(arbitraryRaftMessage(), (message) => {
        seen.add(message.type);
        expect(decodeRaftMessage(encodeRaftMessage(message))).toEqual(message);
      }),
      { numRuns: 600 },
    );
    expect(seen.size).toBe(14);
  });

  test("an append is etcd's MsgApp, field by field", () => {
    const append: RaftMessage = {
      type: "append",
      from: 1n,
      to: 2n,
      term: 5,
      prevIndex: 7,
      prevTerm: 4,
      entries: [
        { type: "normal", term: 5, index: 8, data: new Uint8Array([0xaa]) },
        { type: "conf-change", term: 5, index: 9, data: new Uint8Array(0) },
      ],
      commit: 6,
    };
    expect(toHex(encodeRaftMessage(append))).toBe(
      "0803" +
        "1002" +
        "1801" +
        "2005" +
        "2804" +
        "3007" +
        "3a07" +
        "1005" +
        "1808" +
        "2201aa" +
        "3a06" +
        "0802" +
        "1005" +
        "1809" +
        "4006",
    );
  });

  test("a vote request for a transfer carries etcd's mark", () => {
    const vote: RaftMessage = {
      type: "pre-vote",
      from: 1n,
      to: 2n,
      term: 3,
      lastIndex: 4,
      lastTerm: 2,
      transfer: true,
    };
    expect(toHex(encodeRaftMessage(vote))).toBe(
      "0811" + "1002" + "1801" + "2003" + "2802" + "3004" + `6210${Buffer.from("CampaignTransfer").toString("hex")}`,
    );
    expect(decodeRaftMessage(encodeRaftMessage({ ...vote, transfer: false }))).toEqual({ ...vote, transfer: false });
  });

  test("entries that do not follow each other are rejected", () => {
    const entry = { type: "normal", data: new Uint8Array(0) } as const;
    const append = { type: "append", from: 1n, to: 2n, term: 5, prevIndex: 7, prevTerm: 4, commit: 6 } as const;
    const encoded = (entries: readonly { term: number; index: number }[]): Uint8Array =>
      encodeRaftMessage({ ...append, entries: entries.map((at) => ({ ...entry, ...at })) });
    expect(() => decodeRaftMessage(encoded([{ term: 5, index: 9 }]))).toThrow("entry 9 after 7");
    expect(() =>
      decodeRaftMessage(
        encoded([
          { term: 5, index: 8 },
          { term: 5, index: 8 },
        ]),
      ),
    ).toThrow("entry 8 after 8");
    expect(() => decodeRaftMessage(encoded([{ term: 3, index: 8 }]))).toThrow("an entry of term 3 after one of term 4");
    expect(() => decodeRaftMessage(encoded([{ term: 6, index: 8 }]))).toThrow(
      "an entry of term 6 in a message of term 5",
    );
  });

  test("kinds that never leave a member, or that are unknown, are rejected", () => {
    for (const hex of ["", "080a", "080c", "0813", "0817", "0863"]) {
      expect(() => decodeRaftMessage(bytesOf(hex)), hex).toThrow(DecodeError);
    }
    expect(() => decodeRaftMessage(bytesOf("0807"))).toThrow("a snapshot message without a snapshot");
  });

  test("an index or term of 2^53 or more, or a negative one, is rejected", () => {
    expect(() => decodeRaftMessage(bytesOf("080e 20 8080808080808010"))).toThrow("2^53");
    expect(() => decodeRaftMessage(bytesOf("080e 20 ffffffffffffffffff01"))).toThrow("2^53");
  });

  test("random messages of etcd's shape and random bytes result in a message or a DecodeError", () => {
    const wire = arbitraryMessage(raftWireSchema).map((message) => encode(raftWireSchema, message));
    fc.assert(
      fc.property(fc.oneof(wire, fc.uint8Array({ maxLength: 50 })), (bytes) => {
        try {
          const message = decodeRaftMessage(bytes);
          expect(decodeRaftMessage(encodeRaftMessage(message))).toEqual(message);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 600 },
    );
  });
});

describe("raft records", () => {
  test("each record decodes to what was encoded", () => {
    fc.assert(
      fc.property(
        arbitraryMessage(entrySchema),
        arbitraryMessage(hardStateSchema),
        arbitraryMessage(confStateSchema),
        arbitraryMessage(snapshotMetaSchema),
        arbitraryMessage(confChangeSchema),
        (entry, hardState, confState, meta, change) => {
          expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
          expect(decodeEntries(encodeEntries([entry, entry]))).toEqual([entry, entry]);
          expect(decodeHardState(encodeHardState(hardState))).toEqual(hardState);
          expect(decodeConfState(encodeConfState(confState))).toEqual(confState);
          expect(decodeSnapshotMeta(encodeSnapshotMeta(meta))).toEqual(meta);
          expect(decodeConfChange(encodeConfChange(change))).toEqual(change);
        },
      ),
    );
  });

  test("etcd's first form of a configuration change is rejected", () => {
    expect(() => decodeEntry(bytesOf("0801"))).toThrow("raftpb.Entry.Type: unknown value 1");
  });
});
