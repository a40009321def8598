/** Users and roles as rows: etcd's `authpb` messages in etcd's buckets, under their names. */
import { utf8Decode, utf8Encode } from "../base/utf8.ts";
import { roleSchema, userSchema } from "../protocol/api/schema/auth-schema.ts";
import type { Role, User } from "../protocol/api/auth.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import type { Schema } from "../protocol/codec/schema.ts";
import { readRevision, writeRevision } from "../mvcc/tables/meta.ts";
import type { Bucket, StateTables } from "../mvcc/tables/tables.ts";

const ENABLED: Uint8Array = utf8Encode("authEnabled");
const REVISION: Uint8Array = utf8Encode("authRevision");

/** Auth revision of a store without any auth change, as in etcd. */
const FIRST_REVISION = 1;

export class AuthRows {
  readonly users: NamedRows<User>;
  readonly roles: NamedRows<Role>;
  readonly #auth: Bucket;
  // Cached, because every request reads them, and the tables may be on disk.
  #enabled: boolean;
  #revision: number;

  constructor(tables: StateTables) {
    this.users = new NamedRows(tables.bucket("authUsers"), userSchema);
    this.roles = new NamedRows(tables.bucket("authRoles"), roleSchema);
    this.#auth = tables.bucket("auth");
    this.#enabled = this.#auth.get(ENABLED)?.[0] === 1;
    this.#revision = readRevision(this.#auth, REVISION) ?? FIRST_REVISION;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#auth.set(ENABLED, Uint8Array.of(enabled ? 1 : 0));
  }

  get revision(): number {
    return this.#revision;
  }

  nextRevision(): void {
    this.#revision += 1;
    writeRevision(this.#auth, REVISION, this.#revision);
  }
}

/** Rows by name, each decoded once. */
export class NamedRows<T extends { readonly name: Uint8Array }> {
  readonly #bucket: Bucket;
  readonly #schema: Schema<T>;
  readonly #read = new Map<string, T | undefined>();

  constructor(bucket: Bucket, schema: Schema<T>) {
    this.#bucket = bucket;
    this.#schema = schema;
  }

  get(name: string): T | undefined {
    const known = this.#read.get(name);
    if (known !== undefined) return known;
    // Caches only rows that exist: callers may pass any name.
    const bytes = this.#bucket.get(utf8Encode(name));
    if (bytes === undefined) return undefined;
    const row = decode(this.#schema, bytes);
    this.#read.set(name, row);
    return row;
  }

  put(row: T): void {
    this.#bucket.set(row.name, encode(this.#schema, row));
    this.#read.set(utf8Decode(row.name), row);
  }

  delete(name: string): void {
    this.#bucket.delete(utf8Encode(name));
    this.#read.delete(name);
  }

  /** Returns the rows in bytewise order of their names. */
  names(): readonly string[] {
    const names: string[] = [];
    this.#bucket.scan((key) => {
      names.push(utf8Decode(key));
      return true;
    });
    return names;
  }
}
