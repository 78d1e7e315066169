import { NextResponse, type NextRequest } from "next/server";

import { getSession } from "./bienvenue";

export const config = { matcher: "/account/:path*" };

export async function proxy(request: NextRequest) {
  try {
    const current = await getSession(request);
    return current === null ? NextResponse.redirect(new URL("/sign-in", request.url)) : NextResponse.next();
  } catch {
    return new NextResponse("Try again in a moment.", { status: 503 });
  }
}
