/** The unit's front panel on the screen: its lights, its keys, its battery. */

export class Panel {
  #page;
  crashes = [];

  /** Opens it in `browser`. */
  static async open(browser, url) {
    const panel = new Panel();
    panel.#page = await browser.newPage({ viewport: { width: 900, height: 760 } });
    panel.#page.on('pageerror', (error) => panel.crashes.push(String(error)));
    panel.#page.on('console', (message) => message.type() === 'error' && panel.crashes.push(message.text()));
    await panel.#page.goto(url);
    await panel.#page.getByTestId('light-power').waitFor({ timeout: 5000 });
    return panel;
  }

  /** What a light shows: `dark`, `lit`, or its rhythm. */
  async light(name) {
    return this.#page.getByTestId(`light-${name}`).getAttribute('data-shows');
  }

  /** Holds a key until `is` so, and lets it go however that ends. */
  async hold(key, is) {
    await this.#page.getByTestId(`key-${key}`).hover();
    await this.#page.mouse.down();
    try {
      return await is();
    } finally {
      await this.#page.mouse.up();
    }
  }

  /** Presses a key shortly. */
  async press(key) {
    await this.#page.getByTestId(`key-${key}`).click({ delay: 100 });
  }

  async setBattery(percent) {
    await this.#page.getByTestId('percent').fill(String(percent));
  }

  /** Whether the unit says that it is off, and can be switched on. */
  async isOff() {
    return (await this.#page.getByTestId('off').isVisible()) && this.#page.getByTestId('on').isEnabled();
  }

  async switchOn() {
    await this.#page.getByTestId('on').click();
  }

  async screenshot(path) {
    await this.#page.screenshot({ path });
  }
}
