/** The certificates of the two ends of a WebRTC connection, by their SHA-256. */
import { Sha256 } from "../base/sha256.ts";
import { fromHex } from "../base/text-codes.ts";

/** One certificate for all connections of a page. */
export function newCertificate(): Promise<RTCCertificate> {
  const algorithm: EcKeyGenParams = { name: "ECDSA", namedCurve: "P-256" };
  return RTCPeerConnection.generateCertificate(algorithm);
}

export function certificateFingerprint(certificate: RTCCertificate): Uint8Array | undefined {
  return bytesOf(certificate.getFingerprints().find(({ algorithm }) => algorithm === "sha-256")?.value);
}

/**
 * Returns the fingerprint of the certificate with which the other end opened the connection. The session description is
 * no proof of it: if it has two such lines, one browser uses the last and another any of them. If the transport does
 * not expose the certificate (Firefox before 153), a description with one line is accepted, because it leaves no
 * choice.
 */
export function peerFingerprint(connection: RTCPeerConnection): Uint8Array | undefined {
  const dtls: Partial<RTCDtlsTransport> | undefined = connection.sctp?.transport;
  if (dtls?.getRemoteCertificates === undefined) return describedFingerprint(connection.remoteDescription?.sdp ?? "");
  const [certificate] = dtls.getRemoteCertificates();
  return certificate === undefined ? undefined : new Sha256().update(new Uint8Array(certificate)).digest();
}

/** Exported for tests. */
export function describedFingerprint(description: string): Uint8Array | undefined {
  const lines = [...description.matchAll(/^a=fingerprint:(\S+) (\S+)/gm)];
  const [, algorithm, value] = lines[0] ?? [];
  return lines.length === 1 && algorithm?.toLowerCase() === "sha-256" ? bytesOf(value) : undefined;
}

function bytesOf(value: string | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : fromHex(value.replaceAll(":", "").toLowerCase());
}
