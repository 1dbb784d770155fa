/** Skyrim Platform, as a module where there is one, else as the global that it leaves. */

import type * as SkyrimPlatform from "skyrimPlatform";

export type Platform = typeof SkyrimPlatform;

declare const require: unknown;
declare const skyrimPlatform: Platform | undefined;

export function findPlatform(): Platform {
  // By another name, or the bundler would look for the module.
  const load = typeof require === "function" ? (require as (name: string) => unknown) : undefined;
  try {
    const found = load?.("skyrimPlatform") as Platform | undefined;
    if (found) return found;
  } catch {
    // Not there as a module.
  }
  if (typeof skyrimPlatform === "undefined") throw new Error("RFSN Bridge runs inside of Skyrim Platform only");
  return skyrimPlatform;
}
