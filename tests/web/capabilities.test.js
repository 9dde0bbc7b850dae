// What browsers tell about a device, with browsers made of what they were seen to say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, detectClass } from "../../crates/server/web/sdk/capabilities.js";

/**
 * @param {string} userAgent
 * @param {{ navigator?: any, screen?: [number, number], media?: string[], codecs?: string[] }} [part]
 * @returns {import("../../crates/server/web/sdk/capabilities.js").Browser}
 */
function browser(userAgent, { navigator = {}, screen = [1920, 1080], media = ["(any-pointer: fine)"], codecs = ["VP8", "rtx", "H264", "VP8"] } = {}) {
  return {
    navigator: { userAgent, ...navigator },
    screen: { width: screen[0], height: screen[1] },
    pixelRatio: 2,
    matches: (query) => media.includes(query),
    videoCodecs: () => codecs,
  };
}

test("device classes", () => {
  /** @type {[string, Parameters<typeof browser>[1], string][]} */
  const cases = [
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", {}, "desktop"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Mobile/15E148 Safari/604.1", { screen: [393, 852] }, "mobile"],
    ["Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", { screen: [412, 915] }, "mobile"],
    ["Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", { screen: [924, 1480] }, "tablet"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/19.0 Safari/605", { navigator: { maxTouchPoints: 5 }, screen: [820, 1180] }, "tablet"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/19.0 Safari/605", { navigator: { maxTouchPoints: 0 } }, "desktop"],
    ["Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/538 TV Safari/538", {}, "tv"],
    ["Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/94", {}, "tv"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/153.0", { media: ["(pointer: coarse)", "(any-pointer: fine)"] }, "desktop"],
    ["Something new", { media: ["(pointer: coarse)"], screen: [360, 780] }, "mobile"],
  ];
  for (const [agent, part, expected] of cases) assert.equal(detectClass(browser(agent, part)), expected, agent);
});

test("a browser that tells nothing is described by its class and screen alone", async () => {
  assert.deepEqual(await collect("desktop", browser("x", { codecs: [] })), {
    device: { class: "desktop" },
    display: { width: 1920, height: 1080, pixel_ratio: 2 },
  });
});

test("a browser that tells everything", async () => {
  const navigator = {
    userAgentData: { mobile: true, getHighEntropyValues: async () => ({ model: "Pixel 9", platform: "Android" }) },
    connection: { type: "cellular", saveData: true },
    getBattery: async () => ({ charging: false, level: 0.15 }),
    mediaCapabilities: {
      decodingInfo: async (/** @type {any} */ { video }) => ({
        supported: video.contentType !== "video/AV1", smooth: video.height < 1080, powerEfficient: video.contentType === "video/H264",
      }),
    },
  };
  assert.deepEqual(await collect("mobile", browser("x", { navigator, codecs: ["VP8", "rtx", "H264", "H264", "AV1"] })), {
    device: { class: "mobile", model: "Pixel 9" },
    display: { width: 1920, height: 1080, pixel_ratio: 2 },
    decode: { codecs: [{ name: "VP8", hardware: false }, { name: "H264", hardware: true }] },
    network: { kind: "cellular", save_data: true },
    power: { state: "saver" },
  });
});

test("refusals are not errors", async () => {
  const refuse = async () => { throw new Error("no"); };
  const navigator = { userAgentData: { getHighEntropyValues: refuse }, getBattery: refuse, mediaCapabilities: { decodingInfo: refuse }, connection: {} };
  assert.deepEqual(await collect("desktop", browser("x", { navigator, codecs: ["VP8"] })), {
    device: { class: "desktop" },
    display: { width: 1920, height: 1080, pixel_ratio: 2 },
    decode: { codecs: [{ name: "VP8", hardware: false }] },
    network: {},
  });
});

test("ceilings are told only where they lie below those of the class", async () => {
  /** @type {[string, "mobile" | "desktop", any, { max_height?: number, max_pixels_per_second?: number }][]} */
  const cases = [
    ["a strong desktop", "desktop", { cores: 16, smooth: 2160 }, {}],
    ["a desktop of two cores", "desktop", { cores: 2, smooth: 2160 }, { max_pixels_per_second: 110_592_000 }],
    ["the same with decoding in hardware", "desktop", { cores: 2, smooth: 2160, hardware: true }, {}],
    ["a desktop that shows 720 lines smoothly", "desktop", { cores: 16, smooth: 720 }, { max_height: 720 }],
    ["a desktop that shows 360", "desktop", { cores: 16, smooth: 360 }, { max_height: 360 }],
    ["a phone that shows 720 is still a phone", "mobile", { cores: 8, smooth: 720 }, {}],
    ["a phone of one core", "mobile", { cores: 1, smooth: 720 }, {}],
    ["a desktop that hides its cores", "desktop", { smooth: 2160 }, {}],
  ];
  for (const [why, deviceClass, { cores, smooth, hardware = false }, expected] of cases) {
    const navigator = {
      hardwareConcurrency: cores,
      mediaCapabilities: { decodingInfo: async (/** @type {any} */ { video }) => ({
        supported: true, smooth: video.height <= smooth, powerEfficient: hardware }) },
    };
    const { decode } = await collect(deviceClass, browser("x", { navigator, codecs: ["VP8"] }));
    const { codecs: _, ...ceilings } = decode ?? {};
    assert.deepEqual(ceilings, expected, why);
  }
});

test("a strained processor asks for care, and a battery for more", async () => {
  const strained = await collect("desktop", browser("x", { codecs: [] }), { strained: true });
  assert.deepEqual(strained.power, { state: "saver" });
  const getBattery = async () => ({ charging: false, level: 0.05 });
  const both = await collect("desktop", browser("x", { codecs: [], navigator: { getBattery } }), { strained: true });
  assert.deepEqual(both.power, { state: "critical" });
});
