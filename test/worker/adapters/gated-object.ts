/**
 * A Durable Object that writes and then lets something out, which a failed write must hold back. A write fails when it
 * is committed, after its statement has succeeded: by a foreign key that is only checked then.
 */
import { DurableObject } from "cloudflare:workers";

interface Env {
  readonly GATED: DurableObjectNamespace<GatedObject>;
}

export class GatedObject extends DurableObject<Env> {
  #received: readonly string[] = [];

  /** What other objects have sent to this one. */
  received(): readonly string[] {
    return this.#received;
  }

  receive(text: string): void {
    this.#received = [...this.#received, text];
  }

  respond(isBroken: boolean): string {
    this.#write(isBroken);
    return "response";
  }

  async callOther(name: string, isBroken: boolean): Promise<void> {
    this.#write(isBroken);
    await this.env.GATED.get(this.env.GATED.idFromName(name)).receive("call");
  }

  /** Writes when a message arrives, and then answers it. */
  override fetch(): Response {
    const { 0: client, 1: socket } = new WebSocketPair();
    socket.accept();
    socket.addEventListener("message", ({ data }) => {
      this.#write(data === "broken");
      socket.send("message");
    });
    return new Response(null, { status: 101, webSocket: client });
  }

  #write(isBroken: boolean): void {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY)");
    sql.exec("CREATE TABLE IF NOT EXISTS child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)");
    if (!isBroken) sql.exec("INSERT OR IGNORE INTO parent VALUES (1)");
    sql.exec("INSERT INTO child VALUES (?)", isBroken ? 2 : 1);
  }
}
