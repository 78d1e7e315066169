import { headers } from "next/headers";

import { getSession } from "../../bienvenue";

export default async function Account() {
  const current = await getSession({ headers: await headers() });
  return <p>Signed in as {current?.user.email}</p>;
}
