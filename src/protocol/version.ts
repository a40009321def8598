/**
 * The versions that a member reports. etcd's clients enable features by the server version, so it names the etcd whose
 * API we implement. The protocol version is ours: members of different protocol versions do not communicate.
 */

export const SERVER_VERSION = "3.7.1";
export const CLUSTER_VERSION = "3.7.0";
export const PROTOCOL_VERSION = 1;
