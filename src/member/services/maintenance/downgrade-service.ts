/**
 * Downgrades, by the rules of etcd v3.7: one minor version at a time, one job at a time.
 *
 *     ENABLE  ──► downgradeInfoSet {enabled}  ── soon ──► clusterVersionSet 3.6   the cluster keeps to the old version,
 *     CANCEL  ──► downgradeInfoSet {}         ── soon ──► clusterVersionSet 3.7   its members can be replaced one by one
 *
 * Our members send and store the same at either version, so only the reported version changes.
 */
import {
  errDowngradeInProcess,
  EtcdError,
  errInvalidDowngradeTargetVersion,
  errWrongDowngradeVersionFormat,
  GrpcCode,
} from "../../../protocol/errors.ts";
import { downgradeResponse } from "../../../protocol/api/maintenance.ts";
import type { DowngradeResponse } from "../../../protocol/api/maintenance.ts";
import { CLUSTER_VERSION } from "../../../protocol/version.ts";
import type { Member } from "../../node/member.ts";
import { checkLeader, propose, readIndex } from "../../node/requests.ts";
import { parseVersion } from "./semantic-version.ts";
import type { SemanticVersion } from "./semantic-version.ts";
import type { MaintenanceService } from "../../api/services.ts";

/** Delay after which the cluster version follows an enabled or cancelled downgrade; etcd checks at this interval. */
const FOLLOWS_AFTER_MS = 4_000;
/** Earlier than an idle member quiesces, because a pending timer would prevent it. */
const CHECK_AFTER_START_MS = 2_000;

const errUnknownMethod = new EtcdError(GrpcCode.Unknown, "etcdserver: unknown method");

export function downgradeService(member: Member): Pick<MaintenanceService, "downgrade"> {
  const follower = new VersionFollower(member);
  return {
    async downgrade({ action, version }, context) {
      checkLeader(member, context);
      switch (action) {
        case "VALIDATE":
          await validate(member, version);
          break;
        case "ENABLE": {
          const ver = await validate(member, version);
          await propose(member, { type: "downgradeInfoSet", downgradeInfoSet: { enabled: true, ver } }, context.caller);
          break;
        }
        case "CANCEL":
          await cancel(member, context);
          break;
        default:
          throw errUnknownMethod;
      }
      follower.check();
      return response(member);
    },
  };
}

/** Validates a target version. Returns it in the form of the cluster version. */
async function validate(member: Member, version: string): Promise<string> {
  const target = parseVersion(version);
  if (target === undefined) throw errWrongDowngradeVersionFormat;
  await readIndex(member);
  const { clusterVersion } = member.machine;
  const current = parseVersion(clusterVersion.version);
  const isOneBelow = current !== undefined && target.major === current.major && target.minor === current.minor - 1;
  if (!isOneBelow) throw errInvalidDowngradeTargetVersion;
  if (clusterVersion.downgradeTarget !== undefined) throw errDowngradeInProcess;
  return `${shortText(target)}.0`;
}

/** Cancels the downgrade. Without one there is no error: etcd 3.7 only logs it. */
async function cancel(member: Member, context: Parameters<MaintenanceService["downgrade"]>[1]): Promise<void> {
  await readIndex(member);
  if (member.machine.clusterVersion.downgradeTarget === undefined) return;
  await propose(member, { type: "downgradeInfoSet", downgradeInfoSet: { enabled: false, ver: "" } }, context.caller);
}

function response(member: Member): DowngradeResponse {
  const { clusterVersion, store } = member.machine;
  const current = parseVersion(clusterVersion.version);
  return downgradeResponse({
    header: member.header(store.revision),
    version: current === undefined ? "" : shortText(current),
  });
}

function shortText({ major, minor }: SemanticVersion): string {
  return `${major}.${minor}`;
}

/** Moves the cluster version to the downgrade's target. The result is the same whichever member proposes it. */
class VersionFollower {
  readonly #member: Member;
  #cancelTimer: (() => void) | undefined;

  constructor(member: Member) {
    this.#member = member;
    member.whenStopped(() => this.#cancelTimer?.());
    // A previous run of this member may have stopped before the move. Whether it did is known only when its log is
    // applied. Where it is, no timer keeps a member in memory that was loaded for something else.
    if (member.applied === member.basicStatus().lastIndex && this.#wanted() === undefined) return;
    this.#cancelTimer = member.clock.setTimer(CHECK_AFTER_START_MS, () => {
      this.#cancelTimer = undefined;
      this.check();
    });
  }

  check(): void {
    if (this.#wanted() === undefined) return;
    this.#cancelTimer ??= this.#member.clock.setTimer(FOLLOWS_AFTER_MS, () => {
      this.#cancelTimer = undefined;
      const ver = this.#wanted();
      if (ver === undefined) return;
      // Without a leader this fails and is retried.
      this.#member.write({ type: "clusterVersionSet", clusterVersionSet: { ver } }, () => this.check());
    });
  }

  #wanted(): string | undefined {
    const { version, downgradeTarget } = this.#member.machine.clusterVersion;
    const wanted = downgradeTarget ?? CLUSTER_VERSION;
    return this.#member.problem !== undefined || version === wanted ? undefined : wanted;
  }
}
