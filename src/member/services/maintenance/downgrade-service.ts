/**
 * Downgrades, by the rules of etcd v3.7: one minor version at a time, one job at a time.
 *
 *     ENABLE  ──► downgradeInfoSet {enabled}  ── soon ──► clusterVersionSet 3.6   the cluster keeps to the old version,
 *     CANCEL  ──► downgradeInfoSet {}         ── soon ──► clusterVersionSet 3.7   its members can be replaced one by one
 *
 * What our members send and store is the same at either version, so all that changes is what they say.
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

/** How long after a downgrade was enabled or cancelled the cluster's version follows; etcd looks that often. */
const FOLLOWS_AFTER_MS = 4_000;
/** Before a member that has nothing to do goes quiet: a timer would keep it from that. */
const LOOK_AFTER_START_MS = 2_000;

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
      follower.look();
      return answer(member);
    },
  };
}

/** The target as the cluster would keep to it. */
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

/** Nothing to cancel is no error: etcd 3.7 finds it, and writes it to its log only. */
async function cancel(member: Member, context: Parameters<MaintenanceService["downgrade"]>[1]): Promise<void> {
  await readIndex(member);
  if (member.machine.clusterVersion.downgradeTarget === undefined) return;
  await propose(member, { type: "downgradeInfoSet", downgradeInfoSet: { enabled: false, ver: "" } }, context.caller);
}

function answer(member: Member): DowngradeResponse {
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

/** Brings the cluster's version to where the downgrade wants it; whoever proposes it, the outcome is the same. */
class VersionFollower {
  readonly #member: Member;
  #cancelTimer: (() => void) | undefined;

  constructor(member: Member) {
    this.#member = member;
    member.whenStopped(() => this.#cancelTimer?.());
    // An earlier life of this member may have been about to; its log has to be applied again to know.
    this.#cancelTimer = member.clock.setTimer(LOOK_AFTER_START_MS, () => {
      this.#cancelTimer = undefined;
      this.look();
    });
  }

  look(): void {
    if (this.#wanted() === undefined) return;
    this.#cancelTimer ??= this.#member.clock.setTimer(FOLLOWS_AFTER_MS, () => {
      this.#cancelTimer = undefined;
      const ver = this.#wanted();
      if (ver === undefined) return;
      // Without a leader this fails, and is tried again.
      this.#member.write({ type: "clusterVersionSet", clusterVersionSet: { ver } }, () => this.look());
    });
  }

  #wanted(): string | undefined {
    const { version, downgradeTarget } = this.#member.machine.clusterVersion;
    const wanted = downgradeTarget ?? CLUSTER_VERSION;
    return this.#member.problem !== undefined || version === wanted ? undefined : wanted;
  }
}
