/** The paths of etcd's gateway that answer once, for requests that are wrong in another way. */
const BY_SERVICE: Readonly<Record<string, readonly string[]>> = {
  kv: ["range", "put", "deleterange", "txn", "compaction", "lease/revoke", "lease/timetolive", "lease/leases"],
  lease: ["grant", "revoke", "timetolive", "leases"],
  lock: ["lock", "unlock"],
  election: ["campaign", "proclaim", "leader", "resign"],
  cluster: ["member/add", "member/remove", "member/update", "member/list", "member/promote"],
  maintenance: ["alarm", "status", "defragment", "hash", "hashkv", "transfer-leadership", "downgrade"],
  auth: [
    ...["enable", "disable", "status", "authenticate"],
    ...["user/add", "user/get", "user/list", "user/delete", "user/changepw", "user/grant", "user/revoke"],
    ...["role/add", "role/get", "role/list", "role/delete", "role/grant", "role/revoke"],
  ],
};

export const PATHS: readonly string[] = Object.entries(BY_SERVICE).flatMap(([service, methods]) =>
  methods.map((method) => `/v3/${service}/${method}`),
);
