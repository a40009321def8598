/** `/health` and `/metrics` of one member, with etcd's reasons and metric names. */
import { EtcdError } from "../protocol/errors.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import type { Member } from "./member.ts";
import { probe, readLocally, WITH_LEADER } from "./probes.ts";
import { checkLeader, readIndex } from "./requests.ts";
import { PROBES } from "./services.ts";
import type { HealthService, MetricSample } from "./services.ts";

export function healthService(member: Member): HealthService {
  return {
    async check({ serializable, exclude }): Promise<string | undefined> {
      const raised = member.machine.alarms.list().find(({ alarm }) => !exclude.includes(String(alarm)));
      if (raised !== undefined) {
        return typeof raised.alarm === "string" ? `ALARM ${raised.alarm}` : "ALARM UNKNOWN";
      }
      try {
        if (!serializable) {
          checkLeader(member, WITH_LEADER);
          await readIndex(member);
        }
        readLocally(member);
        return undefined;
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        return !serializable && member.leader === 0n ? "RAFT NO LEADER" : `RANGE ERROR:${error.message}`;
      }
    },
    probe: (kind, names = PROBES[kind]) => probe(member, names),
    metrics: () => [...serverMetrics(member), ...storeMetrics(member), ...networkMetrics(member)],
  };
}

function serverMetrics(member: Member): readonly MetricSample[] {
  const raft = member.status();
  const { counters } = member;
  return [
    gauge(
      "etcd_server_has_leader",
      "Whether or not a leader exists. 1 is existence, 0 is not.",
      raft.leader === 0n ? 0 : 1,
    ),
    gauge("etcd_server_is_leader", "Whether or not this member is a leader.", raft.role === "leader" ? 1 : 0),
    gauge("etcd_server_is_learner", "Whether or not this member is a learner.", raft.isLearner ? 1 : 0),
    counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", counters.leaderChanges),
    gauge("etcd_server_proposals_committed_total", "The total number of consensus proposals committed.", raft.commit),
    gauge("etcd_server_proposals_applied_total", "The total number of consensus proposals applied.", member.applied),
    gauge(
      "etcd_server_proposals_pending",
      "The current number of pending proposals to commit.",
      member.pendingProposals,
    ),
    counter(
      "etcd_server_proposals_failed_total",
      "The total number of failed proposals seen.",
      counters.proposalsFailed,
    ),
    { ...gauge("etcd_server_version", "Which version is running.", 1), labels: { server_version: SERVER_VERSION } },
  ];
}

function storeMetrics(member: Member): readonly MetricSample[] {
  const { store, hub } = member.machine;
  return [
    gauge("etcd_mvcc_db_total_size_in_bytes", "Total size of the underlying database.", member.sizeBytes),
    gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Total size of the rows in use.", store.keys.sizeBytes),
    gauge("etcd_debugging_mvcc_current_revision", "The current revision of store.", store.revision),
    gauge("etcd_debugging_mvcc_compact_revision", "The revision of the last compaction.", store.compactRevision),
    gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", hub.watcherCount),
    gauge("etcd_debugging_mvcc_slow_watcher_total", "Total number of unsynced slow watchers.", hub.slowWatcherCount),
  ];
}

function networkMetrics(member: Member): readonly MetricSample[] {
  const { counters } = member;
  return [
    counter("etcd_network_peer_sent_bytes_total", "The total number of bytes sent to peers.", counters.bytesSent),
    counter(
      "etcd_network_peer_received_bytes_total",
      "The total number of bytes received from peers.",
      counters.bytesReceived,
    ),
    counter(
      "etcd_network_peer_sent_failures_total",
      "The total number of send failures from peers.",
      counters.sendFailures,
    ),
    counter(
      "quorate_peer_frames_rejected_total",
      "Frames that were not of this cluster, or damaged.",
      counters.framesRejected,
    ),
  ];
}

function gauge(name: string, help: string, value: number): MetricSample {
  return { name, type: "gauge", help, value };
}

function counter(name: string, help: string, value: number): MetricSample {
  return { name, type: "counter", help, value };
}
