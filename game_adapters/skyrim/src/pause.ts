/**
 * Whether the world stands still. Menus that stop it say so; that it has stopped, or goes on in spite of a menu (mods
 * do that), is also seen from its frames.
 */

/** Without a frame of the world for so long it stands still, whatever the reason. */
const STALLED_MS = 1_000;
/** So many frames of the world while a menu is open, and it does not stand still after all. */
const RUNNING_FRAMES = 30;

export class Pause {
  paused = false;
  private readonly menus = new Set<string>();
  private lastFrame = 0;
  /** It has stood still since the last frame. */
  private stood = true;
  private frames = 0;

  constructor(private readonly changed: (paused: boolean) => void) {}

  menu(name: string, open: boolean): void {
    if (open) this.menus.add(name);
    else this.menus.delete(name);
    this.frames = 0;
    this.set(this.menus.size > 0);
  }

  /** Each frame, in menus too. */
  tick(now: number): void {
    if (this.lastFrame > 0 && now - this.lastFrame > STALLED_MS) this.set(true);
  }

  /** Each frame of the world. Gives the milliseconds of it that have passed. */
  frame(now: number): number {
    const passed = now - this.lastFrame;
    const { stood } = this;
    this.stood = false;
    this.lastFrame = now;
    if (this.menus.size > 0 && ++this.frames > RUNNING_FRAMES) this.menus.clear();
    this.set(this.menus.size > 0);
    return stood || this.paused || passed < 0 ? 0 : Math.min(passed, STALLED_MS);
  }

  private set(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    this.stood = true;
    this.changed(paused);
  }
}
