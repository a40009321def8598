/**
 * Deletes all data of a member in its Durable Object. A caller that leaves a record instead writes it in the same
 * transaction.
 */
export function clearStorage(storage: DurableObjectStorage): void {
  const tables = storage.sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'quorate%'")
    .toArray();
  for (const { name } of tables) storage.sql.exec(`DROP TABLE "${name}"`);
  for (const [key] of storage.kv.list()) storage.kv.delete(key);
}
