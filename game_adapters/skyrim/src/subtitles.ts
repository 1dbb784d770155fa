/** What the player reads of what is said: on the page where there is one, else as the game's own notifications. */

import type { Game } from "./game";
import type { Settings } from "./settings";
import type { Page } from "./transport/page";

/** What fits on the screen as one notification. */
const LINE = 110;

export class Subtitles {
  constructor(
    private readonly game: Game,
    private readonly settings: Settings,
    private readonly page: Page | undefined,
  ) {}

  show(name: string, text: string): void {
    const { subtitles } = this.settings;
    if (subtitles === "none") return;
    if (subtitles !== "notification" && this.page?.ready) {
      this.page.subtitle(name, text);
    } else if (subtitles !== "page") {
      lines(`${name}: ${text}`).forEach((line) => this.game.notify(line));
    }
  }

  clear(): void {
    if (this.page?.ready) this.page.clear();
  }
}

/** Cut at white space into pieces that fit. */
export function lines(text: string): string[] {
  const cut: string[] = [];
  let rest = text.trim();
  while (rest.length > LINE) {
    const space = rest.lastIndexOf(" ", LINE);
    const end = space > LINE / 3 ? space : LINE;
    cut.push(rest.slice(0, end));
    rest = rest.slice(end).trim();
  }
  if (rest !== "") cut.push(rest);
  return cut;
}
