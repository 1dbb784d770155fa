/** What a player may set, and what is used where a value is wrong. */

import { isObject } from "./protocol";

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly http_port: number;
  readonly token: string;
  readonly transport: "auto" | "web_socket" | "page" | "long_poll";
  readonly page: boolean;
  readonly audio: "daemon" | "file" | "none";
  readonly topics: Readonly<Record<string, string>>;
  readonly subtitles: "auto" | "page" | "notification" | "none";
  readonly lips: boolean;
  readonly look_at: boolean;
  readonly expressions: boolean;
  readonly talk_key: number;
  readonly talk_distance: number;
  readonly hearing_distance: number;
  readonly actions: readonly string[];
  readonly events: boolean;
  readonly playthrough: string;
}

export const ACTION_NAMES = ["follow", "wait", "attack", "flee", "stop_combat", "trade", "give_item", "go_to"] as const;

export const DEFAULTS: Settings = {
  host: "127.0.0.1",
  port: 8765,
  http_port: 8001,
  token: "",
  transport: "auto",
  page: true,
  audio: "daemon",
  topics: {},
  subtitles: "auto",
  lips: true,
  look_at: true,
  expressions: true,
  talk_key: 21,
  talk_distance: 600,
  hearing_distance: 1200,
  actions: ACTION_NAMES,
  events: true,
  playthrough: "",
};

/** Says what a value must be, or is undefined for a good one. */
type Rule = (value: unknown) => string | undefined;

const RULES: Record<keyof Settings, Rule> = {
  host: text(1, 255),
  port: whole(1, 65535),
  http_port: whole(1, 65535),
  token: text(0, 256),
  transport: one("auto", "web_socket", "page", "long_poll"),
  page: flag,
  audio: one("daemon", "file", "none"),
  topics: (value) =>
    isObject(value) && Object.keys(value).every((file) => typeof value[file] === "string")
      ? undefined
      : "file names with a topic each",
  subtitles: one("auto", "page", "notification", "none"),
  lips: flag,
  look_at: flag,
  expressions: flag,
  talk_key: whole(0, 1023),
  talk_distance: whole(50, 20000),
  hearing_distance: whole(50, 20000),
  actions: (value) =>
    Array.isArray(value) && value.every((name) => (ACTION_NAMES as readonly unknown[]).includes(name))
      ? undefined
      : `a list of ${ACTION_NAMES.join(", ")}`,
  events: flag,
  playthrough: text(0, 128),
};

/** Each wrong value is told to `complain` in a sentence, and its default is used. */
export function readSettings(given: unknown, complain: (problem: string) => void): Settings {
  if (given === undefined) return DEFAULTS;
  if (!isObject(given)) {
    complain("The settings are no JSON object; all defaults are used.");
    return DEFAULTS;
  }
  const settings: Record<string, unknown> = { ...DEFAULTS };
  for (const key of Object.keys(given)) {
    if (!Object.prototype.hasOwnProperty.call(RULES, key)) {
      complain(`There is no setting "${key}"; it is ignored.`);
      continue;
    }
    const value = given[key];
    const wanted = RULES[key as keyof Settings](value);
    if (wanted === undefined) {
      settings[key] = value;
    } else {
      const used = JSON.stringify(DEFAULTS[key as keyof Settings]);
      complain(`"${key}" must be ${wanted}, not ${JSON.stringify(value)}; ${used} is used.`);
    }
  }
  return settings as unknown as Settings;
}

function flag(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "true or false";
}

function whole(least: number, most: number): Rule {
  return (value) =>
    typeof value === "number" && Math.floor(value) === value && value >= least && value <= most
      ? undefined
      : `a whole number from ${least} to ${most}`;
}

function text(least: number, most: number): Rule {
  return (value) =>
    typeof value === "string" && value.length >= least && value.length <= most
      ? undefined
      : `a text of ${least} to ${most} characters`;
}

function one(...choices: string[]): Rule {
  return (value) => (choices.some((choice) => choice === value) ? undefined : `one of ${choices.join(", ")}`);
}
