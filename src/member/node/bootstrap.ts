/**
 * The first write to a fresh store. Founders write the same beginning of the log (etcd does so too): one change per
 * founder, committed by agreement beforehand, so that members who come later find it in the log like any other.
 */
import type { Entry, HardState } from "../../protocol/peer/raft-message.ts";
import { encodeChange } from "../../raft/conf-change-entry.ts";
import type { Identity, Storage } from "../../storage/storage.ts";
import { encodeMember } from "../membership/membership.ts";
import type { BootstrapOptions } from "../options.ts";

const BOOTSTRAP_TERM = 1;

/** Does nothing on a store with a past. `done` gets an error when storage refused, which is final. */
export function bootstrapStorage(
  storage: Storage,
  identity: Identity,
  beginning: BootstrapOptions,
  done: (error?: Error) => void,
): void {
  if (storage.identity === undefined) {
    storage.bootstrap(identity, (error) => {
      if (error === undefined) writeBootstrap(storage, beginning, done);
      else done(error);
    });
  } else if (storage.log.lastIndex() === 0 && storage.hardState.term === 0) {
    // Stopped between the two writes of its first start.
    writeBootstrap(storage, beginning, done);
  } else {
    done();
  }
}

/** The hard state to start from: as loaded, or what the founding has just written. */
export function startingHardState(storage: Storage): HardState {
  const { hardState, log } = storage;
  return hardState.term === 0 && log.lastIndex() > 0 ? bootstrapHardState(log.lastIndex()) : hardState;
}

function bootstrapHardState(founders: number): HardState {
  return { term: BOOTSTRAP_TERM, vote: 0n, commit: founders };
}

function writeBootstrap(storage: Storage, beginning: BootstrapOptions, done: (error?: Error) => void): void {
  if (beginning.type === "join") {
    done();
    return;
  }
  const entries = beginning.members.map((member, at): Entry => {
    const changes = [{ type: "add-node", nodeId: member.id } as const];
    const change = { id: 0n, transition: "auto", changes, context: encodeMember(member) } as const;
    return { type: "conf-change", term: BOOTSTRAP_TERM, index: at + 1, data: encodeChange(change) };
  });
  storage.append({ hardState: bootstrapHardState(entries.length), entries, install: undefined }, done);
}
