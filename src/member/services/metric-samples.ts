/**
 * A member's metrics under the names that etcd's dashboards and alerts use. Metrics that a platform does not provide
 * are omitted.
 */
import { grpcCodeName, grpcCodeOf } from "../../protocol/errors.ts";
import { RPCS } from "../../protocol/api/rpc/rpc-table.ts";
import type { Rpc } from "../../protocol/api/rpc/rpc.ts";
import { CLUSTER_VERSION, PROTOCOL_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import type { CalledMethod } from "../metrics/call-metrics.ts";
import type { Histogram } from "../metrics/histogram.ts";
import type { Member } from "../node/member.ts";
import { quotaBytes } from "../apply/quota.ts";
import type { MetricSample } from "../api/services.ts";

type AnyRpcs = Readonly<Record<string, Readonly<Record<string, Pick<Rpc<unknown, unknown>, "service" | "method">>>>>;
type Labels = Readonly<Record<string, string>>;

const GRPC_TYPES = { unary: "unary", serverStream: "server_stream", bidi: "bidi_stream" } as const;

export function metricSamples(member: Member): readonly MetricSample[] {
  return [
    ...serverSamples(member),
    ...proposalSamples(member),
    ...healthSamples(member),
    ...alarmSamples(member),
    ...storeSamples(member),
    ...diskSamples(member),
    ...watchAndLeaseSamples(member),
    ...peerSamples(member),
    ...callerSamples(member),
    ...callSamples(member.metrics.calls?.methods ?? []),
  ];
}

function callerSamples({ callers }: Member): readonly MetricSample[] {
  const all = Object.entries(callers.budgets);
  return [
    ...all.map(([kind, budget]) =>
      gauge("quorate_callers", "Users and addresses that hold something of a kind.", budget.callers, { kind }),
    ),
    ...all.map(([kind, budget]) =>
      gauge("quorate_caller_held", "What all callers together hold of a kind.", budget.used, { kind }),
    ),
    ...all.map(([kind, budget]) =>
      counter("quorate_caller_rejected_total", "Requests refused at a limit.", budget.rejected, { kind }),
    ),
  ];
}

function serverSamples(member: Member): readonly MetricSample[] {
  const raft = member.status();
  const id = { server_id: hex(member.id) };
  return [
    gauge(
      "etcd_server_has_leader",
      "Whether or not a leader exists. 1 is existence, 0 is not.",
      raft.leader === 0n ? 0 : 1,
    ),
    gauge("etcd_server_is_leader", "Whether or not this member is a leader.", raft.role === "leader" ? 1 : 0),
    gauge("etcd_server_is_learner", "Whether or not this member is a learner.", raft.isLearner ? 1 : 0),
    counter(
      "etcd_server_leader_changes_seen_total",
      "The number of leader changes seen.",
      member.counters.leaderChanges,
    ),
    gauge("etcd_server_id", "The member that exposes this.", 1, id),
    gauge("etcd_server_version", "Which version is running.", 1, { server_version: SERVER_VERSION }),
    gauge("etcd_cluster_version", "Which version the cluster has.", 1, { cluster_version: minor(CLUSTER_VERSION) }),
    gauge(
      "etcd_server_quota_backend_bytes",
      "The space quota in bytes; negative: none.",
      quotaBytes(member.settings.quotaBackendBytes),
    ),
    gauge("etcd_debugging_auth_revision", "The current revision of auth.", member.machine.auth.revision),
  ];
}

function proposalSamples(member: Member): readonly MetricSample[] {
  const { commit } = member.basicStatus();
  return [
    gauge("etcd_server_proposals_committed_total", "The total number of consensus proposals committed.", commit),
    gauge("etcd_server_proposals_applied_total", "The total number of consensus proposals applied.", member.applied),
    gauge(
      "etcd_server_proposals_pending",
      "The current number of pending proposals to commit.",
      member.pendingProposals,
    ),
    counter(
      "etcd_server_proposals_failed_total",
      "The total number of failed proposals seen.",
      member.counters.proposalsFailed,
    ),
  ];
}

function healthSamples({ metrics }: Member): readonly MetricSample[] {
  const samples = [
    counter("etcd_server_health_success", "The total number of successful health checks.", metrics.health.succeeded),
    counter("etcd_server_health_failures", "The total number of failed health checks.", metrics.health.failed),
  ];
  const total = "etcd_server_healthchecks_total";
  const totalHelp = "The total number of each kind of health check.";
  for (const { kind, name, succeeded, failed, isGood } of metrics.probes) {
    const labels = { type: kind, name };
    samples.push(gauge("etcd_server_healthcheck", "The result of each kind of health check.", isGood ? 1 : 0, labels));
    if (succeeded > 0) samples.push(counter(total, totalHelp, succeeded, { ...labels, status: "success" }));
    if (failed > 0) samples.push(counter(total, totalHelp, failed, { ...labels, status: "error" }));
  }
  return samples;
}

function alarmSamples({ machine }: Member): readonly MetricSample[] {
  return machine.alarms.list().map(({ memberId, alarm }) =>
    gauge("etcd_debugging_server_alarms", "The alarms that are raised.", 1, {
      server_id: hex(memberId),
      alarm_type: String(alarm),
    }),
  );
}

function storeSamples(member: Member): readonly MetricSample[] {
  const { store, counters } = member.machine;
  const { sizeBytes } = member;
  const started = (name: string): number => member.metrics.calls?.called("kv", name)?.started ?? 0;
  return [
    gauge("etcd_mvcc_db_total_size_in_bytes", "Total size of the underlying database.", sizeBytes),
    gauge(
      "etcd_mvcc_db_total_size_in_use_in_bytes",
      "Total size of the rows in use.",
      Math.min(store.keys.sizeBytes, sizeBytes),
    ),
    counter("etcd_mvcc_put_total", "Total number of puts seen by this member.", counters.puts),
    counter("etcd_mvcc_delete_total", "Total number of keys deleted as seen by this member.", counters.deletes),
    counter("etcd_mvcc_txn_total", "Total number of txns seen by this member.", counters.txns),
    counter(
      "etcd_mvcc_range_total",
      "Total number of ranges seen by this member.",
      started("range") + started("rangeStream"),
    ),
    counter("etcd_debugging_mvcc_events_total", "Total number of events.", counters.puts + counters.deletes),
    gauge("etcd_debugging_mvcc_current_revision", "The current revision of store.", store.revision),
    gauge("etcd_debugging_mvcc_compact_revision", "The revision of the last compaction.", store.compactRevision),
  ];
}

function diskSamples({ metrics }: Member): readonly MetricSample[] {
  return [
    histogram(
      "etcd_disk_wal_fsync_duration_seconds",
      "How long it takes until log entries are durable.",
      metrics.logWriteSeconds,
    ),
    histogram(
      "etcd_disk_backend_commit_duration_seconds",
      "How long it takes until a write of the state is durable.",
      metrics.stateWriteSeconds,
    ),
  ];
}

function watchAndLeaseSamples(member: Member): readonly MetricSample[] {
  const { hub, counters } = member.machine;
  const watch = member.metrics.calls?.called("watch", "watch");
  const open = watch === undefined ? 0 : watch.started - sum(watch.handled);
  return [
    gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", hub.watcherCount),
    gauge("etcd_debugging_mvcc_slow_watcher_total", "Total number of unsynced slow watchers.", hub.slowWatcherCount),
    gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.", open),
    counter("etcd_debugging_lease_granted_total", "The total number of granted leases.", counters.leasesGranted),
    counter("etcd_debugging_lease_revoked_total", "The total number of revoked leases.", counters.leasesRevoked),
  ];
}

function refusedVersion(theirs: number): MetricSample {
  const labels = { theirs: String(theirs), ours: String(PROTOCOL_VERSION) };
  const help = "1 if a peer speaks another version of the protocol: none of its frames can be read.";
  return gauge("quorate_peer_protocol_version_refused", help, 1, labels);
}

function peerSamples(member: Member): readonly MetricSample[] {
  const { counters, metrics, machine } = member;
  const { otherVersion } = metrics;
  const samples = [
    ...(otherVersion === undefined ? [] : [refusedVersion(otherVersion)]),
    counter(
      "quorate_peer_frames_rejected_total",
      "Frames that were not of this cluster, or damaged.",
      counters.framesRejected,
    ),
    counter(
      "etcd_network_client_grpc_received_bytes_total",
      "The total number of bytes received from clients.",
      metrics.calls?.receivedBytes ?? 0,
    ),
    counter(
      "etcd_network_client_grpc_sent_bytes_total",
      "The total number of bytes sent to clients.",
      metrics.calls?.sentBytes ?? 0,
    ),
  ];
  for (const { id } of machine.membership.members) {
    if (id === member.id) continue;
    const labels = { Local: hex(member.id), Remote: hex(id) };
    samples.push(gauge("etcd_network_known_peers", "The current number of known peers.", 1, labels));
    const active = member.isActive(id) ? 1 : 0;
    samples.push(gauge("etcd_network_active_peers", "The current number of active peer connections.", active, labels));
  }
  for (const [id, peer] of metrics.peers.peers) {
    const to = { To: hex(id) };
    const sentHelp = "The total number of bytes sent to peers.";
    const receivedHelp = "The total number of bytes received from peers.";
    const failuresHelp = "The total number of send failures from peers.";
    samples.push(counter("etcd_network_peer_sent_bytes_total", sentHelp, peer.sentBytes, to));
    samples.push(
      counter("etcd_network_peer_received_bytes_total", receivedHelp, peer.receivedBytes, { From: hex(id) }),
    );
    samples.push(counter("etcd_network_peer_sent_failures_total", failuresHelp, peer.sendFailures, to));
    const help = "How long a heartbeat takes there and back.";
    samples.push(histogram("etcd_network_peer_round_trip_time_seconds", help, peer.roundTripSeconds, to));
  }
  return samples;
}

/**
 * Samples of the methods called so far. The first two metrics include the others at zero, so that the first call is
 * seen as an increase.
 */
function callSamples(methods: readonly CalledMethod[]): readonly MetricSample[] {
  const samples: MetricSample[] = [];
  for (const { service, name, kind, started, handled, seconds } of methods) {
    const rpc = (RPCS as unknown as AnyRpcs)[service]?.[name];
    const labels = { grpc_type: GRPC_TYPES[kind], grpc_service: rpc?.service ?? "", grpc_method: rpc?.method ?? "" };
    const startedHelp = "Total number of RPCs started on the server.";
    const handledHelp = "Total number of RPCs completed on the server, regardless of success or failure.";
    const secondsHelp = "How long the server handled an RPC.";
    samples.push(counter("grpc_server_started_total", startedHelp, started, labels));
    for (const [code, count] of handled.entries()) {
      // A code that never occurred has an index but no number, except OK.
      if (count === undefined) continue;
      const grpcCode = grpcCodeName(grpcCodeOf(code));
      samples.push(counter("grpc_server_handled_total", handledHelp, count, { ...labels, grpc_code: grpcCode }));
    }
    if (seconds.count > 0) samples.push(histogram("grpc_server_handling_seconds", secondsHelp, seconds, labels));
  }
  return samples;
}

function gauge(name: string, help: string, value: number, labels: Labels = {}): MetricSample {
  return { name, type: "gauge", help, value, labels };
}

function counter(name: string, help: string, value: number, labels: Labels = {}): MetricSample {
  return { name, type: "counter", help, value, labels };
}

function histogram(name: string, help: string, of: Histogram, labels: Labels = {}): MetricSample {
  const { bounds, count, sum: total } = of;
  return { name, type: "histogram", help, bounds, cumulative: of.cumulative(), count, sum: total, labels };
}

/** Formats a member id as etcd does. */
function hex(id: bigint): string {
  return id.toString(16);
}

function minor(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

function sum(numbers: Iterable<number | undefined>): number {
  let total = 0;
  for (const number of numbers) total += number ?? 0;
  return total;
}
