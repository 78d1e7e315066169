import { getSession } from "../../../bienvenue";

export async function GET(request: Request) {
  try {
    const current = await getSession(request);
    return current === null
      ? Response.json({ detail: "Sign in first." }, { status: 401 })
      : Response.json({ email: current.user.email });
  } catch {
    return Response.json({ detail: "Try again in a moment." }, { status: 503 });
  }
}
