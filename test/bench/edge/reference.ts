/** A real etcd to compare with, which somebody else has started. */

interface Status {
  readonly leader?: string;
  readonly header?: { readonly member_id?: string };
}

/** The address of the member that leads: each cluster is asked where it is fastest. */
export async function leaderOf(urls: readonly string[]): Promise<string> {
  for (const url of urls) {
    const response = await fetch(`${url}/v3/maintenance/status`, { method: "POST", body: "{}" });
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    const { leader, header } = (await response.json()) as Status;
    if (leader !== undefined && leader === header?.member_id) return url;
  }
  throw new Error(`none of ${urls.join(", ")} leads; name all client addresses of the cluster`);
}
