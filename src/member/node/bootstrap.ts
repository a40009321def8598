/**
 * Writes the initial state to a fresh store. All initial members write the same first entries, as in etcd: one
 * configuration change per initial member, committed by definition. Members that join later find these entries in the
 * log like any others.
 */
import type { Entry, HardState } from "../../protocol/peer/raft-message.ts";
import { encodeChange } from "../../raft/conf-change/conf-change-entry.ts";
import type { Identity, Storage } from "../../storage/storage.ts";
import { encodeFounding } from "../membership/membership.ts";
import type { BootstrapOptions } from "../options.ts";

export const BOOTSTRAP_TERM = 1;

/**
 * Bootstraps a fresh store; does nothing on a store that has data. `done` gets an error if storage rejected the write,
 * which is final.
 */
export function bootstrapStorage(
  storage: Storage,
  identity: Identity,
  options: BootstrapOptions,
  done: (error?: Error) => void,
): void {
  if (storage.identity === undefined) {
    storage.bootstrap(identity, (error) => {
      if (error === undefined) writeBootstrap(storage, options, done);
      else done(error);
    });
  } else if (storage.log.lastIndex() === 0 && storage.hardState.term === 0) {
    // The member stopped between the two writes of its first start.
    writeBootstrap(storage, options, done);
  } else {
    done();
  }
}

/** Returns the hard state to start from: the loaded one, or the one that the bootstrap has just written. */
export function startingHardState(storage: Storage): HardState {
  const { hardState, log } = storage;
  return hardState.term === 0 && log.lastIndex() > 0 ? bootstrapHardState(log.lastIndex()) : hardState;
}

function bootstrapHardState(memberCount: number): HardState {
  return { term: BOOTSTRAP_TERM, vote: 0n, commit: memberCount };
}

function writeBootstrap(storage: Storage, options: BootstrapOptions, done: (error?: Error) => void): void {
  if (options.type === "join") {
    done();
    return;
  }
  const entries = options.members.map((member, at): Entry => {
    const changes = [{ type: "add-node", nodeId: member.id } as const];
    const change = { id: 0n, transition: "auto", changes, context: encodeFounding(member, options.shape) } as const;
    return { type: "conf-change", term: BOOTSTRAP_TERM, index: at + 1, data: encodeChange(change) };
  });
  storage.append({ hardState: bootstrapHardState(entries.length), entries, install: undefined }, done);
}
