/**
 * Scripts of a group as text. Each command is a line that begins with ">". The output is printed below it, up to the
 * next empty line. All other lines are comments.
 *
 *   > add-nodes 3 [learners=4,5] [blank=6]     initial members; blank ones know no others; heartbeat=9 ticks
 *   > campaign 1 · tick 1 [10] · propose 1 a b · read-index 1 ctx · transfer-leader 1 2
 *   > conf-change 1 v4 l5 r3 [joint|explicit]
 *   > ready 1 · persist 1                      handles one member's Ready; its oldest write becomes durable
 *   > deliver [1→2] [type] · drop [1→2] [type] messages in flight that match
 *   > stabilize [1 2]                          all of that until there is nothing to do
 *   > quietly …                              a command without its output
 *   > partition 1 2 | 3 · heal · forget-lease 1 · crash 1 · compact 1 5 · unreachable 1 2 · status [1] · log 1
 */
import type { ConfChange, ConfChangeType, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { describeEntry, describeMessage, describeReady, describeStatus } from "./describe.ts";
import { bytesOf, confOf, Group } from "./group.ts";
import type { Member } from "./member.ts";

const TYPES: Readonly<Record<string, ConfChangeType>> = {
  v: "add-node",
  l: "add-learner",
  r: "remove-node",
  u: "update-node",
};

/** Returns the script with its output replaced by what happens now. */
export function runScript(script: string): string {
  const runner = new Runner();
  const lines: string[] = [];
  let isOutput = false;
  for (const line of script.trimEnd().split("\n")) {
    if (line.startsWith(">")) {
      lines.push(line, ...runner.run(line.slice(1).trim()));
      isOutput = true;
    } else if (line === "") {
      isOutput = false;
      lines.push("");
    } else if (!isOutput) {
      lines.push(line);
    }
  }
  return `${lines.join("\n")}\n`;
}

class Runner {
  #group = new Group(0);
  readonly #commands: Readonly<Record<string, (words: readonly string[]) => void>>;
  #wire: RaftMessage[] = [];
  #cells: readonly (readonly bigint[])[] = [];
  #output: string[] = [];

  constructor() {
    this.#commands = {
      "add-nodes": (words) => this.#addNodes(words),
      campaign: ([id]) => this.#at(id).raft.campaign(),
      tick: ([id, times = "1"]) => this.#tick(this.#at(id), Number(times)),
      propose: ([id, ...texts]) => this.#print(this.#at(id).raft.propose(texts.map(bytesOf))),
      "read-index": ([id, context = ""]) => this.#print(this.#at(id).raft.readIndex(bytesOf(context))),
      "transfer-leader": ([id, to = ""]) => this.#at(id).raft.transferLeader(BigInt(to)),
      "conf-change": ([id, ...words]) => this.#print(this.#at(id).raft.proposeConfChange(parseChange(words))),
      ready: ([id]) => this.#pump(this.#at(id)),
      persist: ([id]) => this.#persist(this.#at(id)),
      deliver: (words) => this.#handOver(words, true),
      drop: (words) => this.#handOver(words, false),
      stabilize: (ids) => this.#stabilize(ids.length === 0 ? this.#members : ids.map((id) => this.#at(id))),
      partition: (words) => this.#partition(words),
      heal: () => this.#partition([]),
      crash: ([id]) => this.#at(id).crash(),
      compact: ([id, index]) => this.#at(id).compact(Number(index)),
      unreachable: ([id, peer = ""]) => this.#at(id).raft.reportUnreachable(BigInt(peer)),
      "forget-lease": ([id]) => this.#at(id).raft.forgetLease(),
      status: ([id]) => this.#status(id),
      log: ([id]) => this.#print(this.#at(id).disk.entryList.map(describeEntry).join(", ")),
    };
  }

  run(line: string): readonly string[] {
    this.#output = [];
    if (line.startsWith("quietly ")) {
      this.run(line.slice("quietly ".length));
      return ["ok"];
    }
    const [name = "", ...words] = line.split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) throw new Error(`no such command: ${name}`);
    command(words);
    for (const member of this.#members) member.raft.checkInvariants();
    return this.#output.length === 0 ? ["ok"] : this.#output;
  }

  get #members(): readonly Member[] {
    return [...this.#group.members.values()];
  }

  #at(id = ""): Member {
    return this.#group.at(BigInt(id));
  }

  #print(line: string): void {
    this.#output.push(line);
  }

  #addNodes([count, ...options]: readonly string[]): void {
    const [heartbeatTicks = 1n] = listOf(options, "heartbeat");
    this.#group = new Group(0, { config: { heartbeatTicks: Number(heartbeatTicks) } });
    const voters = Array.from({ length: Number(count) }, (_, at) => BigInt(at + 1));
    const learners = listOf(options, "learners");
    for (const id of [...voters, ...learners]) this.#add(id, confOf(voters, learners));
    for (const id of listOf(options, "blank")) this.#add(id, confOf([]));
  }

  #add(id: bigint, conf: ReturnType<typeof confOf>): void {
    const member = this.#group.add(id, conf);
    member.onReady = (ready) => {
      for (const line of describeReady(ready)) this.#print(`${id} ${line}`);
    };
  }

  #tick(member: Member, times: number): void {
    for (let i = 0; i < times; i++) member.raft.tick();
  }

  #pump(member: Member): boolean {
    const before = this.#output.length;
    member.pump();
    this.#wire.push(...member.outbox.splice(0));
    return this.#output.length > before;
  }

  #persist(member: Member): boolean {
    const id = member.writes[0]?.id;
    if (!member.completeWrite()) return false;
    this.#print(`${member.id} wrote #${id}`);
    return true;
  }

  /** Delivers or drops the messages in flight that match. */
  #handOver(words: readonly string[], isDelivery: boolean): boolean {
    const chosen = this.#wire.filter((message) => isMatch(message, words));
    this.#wire = this.#wire.filter((message) => !chosen.includes(message));
    for (const message of chosen) this.#hand(message, isDelivery && !this.#isCut(message));
    return chosen.length > 0;
  }

  #hand(message: RaftMessage, isDelivered: boolean): void {
    this.#print(`${isDelivered ? "·" : "× lost"} ${describeMessage(message)}`);
    const target = this.#group.members.get(message.to);
    if (isDelivered) target?.raft.step(message);
    if (message.type === "snapshot") {
      this.#group.at(message.from).raft.reportSnapshot(message.to, isDelivered && target !== undefined);
    }
  }

  #stabilize(members: readonly Member[]): void {
    const ids = members.map((member) => member.id);
    for (;;) {
      let isMoving = false;
      for (const member of members) if (this.#pump(member)) isMoving = true;
      for (const member of members) while (this.#persist(member)) isMoving = true;
      const chosen = this.#wire.filter((message) => ids.includes(message.to));
      this.#wire = this.#wire.filter((message) => !chosen.includes(message));
      for (const message of chosen) this.#hand(message, !this.#isCut(message));
      if (!isMoving && chosen.length === 0) return;
    }
  }

  #partition(words: readonly string[]): void {
    const cells = words.join(" ").split("|");
    this.#cells = cells.map((cell) => cell.split(" ").filter(Boolean).map(BigInt));
  }

  #isCut({ from, to }: RaftMessage): boolean {
    return this.#cells.some((cell) => cell.includes(from) !== cell.includes(to));
  }

  #status(id: string | undefined): void {
    const members = id === undefined ? this.#members : [this.#at(id)];
    for (const member of members) for (const line of describeStatus(member.raft.status())) this.#print(line);
  }
}

/** Words are `1→2` and message types. */
function isMatch(message: RaftMessage, words: readonly string[]): boolean {
  return words.every((word) => word === message.type || word === `${message.from}→${message.to}`);
}

function listOf(options: readonly string[], name: string): readonly bigint[] {
  const found = options.find((option) => option.startsWith(`${name}=`));
  return found === undefined
    ? []
    : found
        .slice(name.length + 1)
        .split(",")
        .map(BigInt);
}

function parseChange(words: readonly string[]): ConfChange {
  const transition = words.includes("explicit")
    ? "joint-explicit"
    : words.includes("joint")
      ? "joint-implicit"
      : "auto";
  const changes = words
    .filter((word) => /^[vlru]\d+$/.test(word))
    .map((word) => ({ type: TYPES[word.charAt(0)] ?? "update-node", nodeId: BigInt(word.slice(1)) }));
  return { id: 0n, transition, changes, context: new Uint8Array(0) };
}
