// @ts-check
/**
 * The daemon's page where no browser is at hand: it fetches the page, to know whether it is there, and plays what a
 * plugin can see of it. Its WebSocket never opens.
 */

export class PaperPage {
  /** @param {import('./browser.mjs').Browser} browser */
  constructor(browser) {
    this.browser = browser;
    this.ready = false;
    this.shown = '';
  }

  /** @param {string} url */
  async load(url) {
    this.ready = false;
    try {
      const response = await fetch(url, { headers: { Connection: 'close' } });
      await response.text();
      this.ready = response.ok;
    } catch {
      return;
    }
    if (this.ready) this.send('ready');
  }

  /**
   * @param {string} name
   * @param {any[]} values
   */
  run(name, values) {
    if (name === 'greet') this.send('ready');
    if (name === 'open') this.send('closed', values[0], 1006, 'no WebSocket on paper');
    if (name === 'subtitle') this.shown = `${values[0]}: ${values[1]}`;
    if (name === 'clear') this.shown = '';
  }

  /** @param {string} text */
  type(text) {
    this.browser.asking = false;
    this.send('said', text);
  }

  async text() {
    return this.shown;
  }

  async close() {}

  /**
   * @param {string} kind
   * @param {...unknown} values
   */
  send(kind, ...values) {
    this.browser.hear(JSON.stringify(['rfsn', kind, ...values]));
  }
}
