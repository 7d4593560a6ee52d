// Which app's own browser this is, if any: such a browser has a store of its own that gets lost.
//
// Decides by the user agent, and by what is missing. Pure. Guessing wrong costs a person one press:
// a claim can always be made where the browser keeps keys.

const APPS = [
  ["line", /\bLine\//],
  ["instagram", /\bInstagram\b/],
  ["facebook", /\bFB(?:AN|AV|_IAB)\b/],
  ["yahoo", /\bYJApp|jp\.co\.yahoo\.|YahooMobileApp/i],
  ["x", /\bTwitter/],
  ["tiktok", /\bBytedanceWebview|musical_ly|TikTok/i],
  ["wechat", /\bMicroMessenger\//],
  ["kakaotalk", /\bKAKAOTALK\b/i],
  ["google", /\bGSA\//],
  ["other", /; wv\)/], // any Android app that shows pages by itself
  ["other", /\((?:iPhone|iPad|iPod)[^)]*\).*AppleWebKit(?!.*Safari\/)/], // the same on iOS
];

export const NAMES = {
  line: "LINE",
  instagram: "Instagram",
  facebook: "Facebook",
  yahoo: "Yahoo! JAPAN",
  x: "X",
  tiktok: "TikTok",
  wechat: "WeChat",
  kakaotalk: "KakaoTalk",
  google: "Google",
};

/** The app's short name, "other" for one without a name here, or null for a real browser. */
export function appOf({ userAgent, standalone = false, hasServiceWorker = true }) {
  if (standalone) return null; // on the home screen: a browser of its own, and it keeps things
  const found = APPS.find(([, pattern]) => pattern.test(userAgent));
  if (found) return found[0];
  return hasServiceWorker ? null : "other";
}

/** The same link for the real browser, where an app has a way to say so; else null. */
export function outside(app, href) {
  if (app !== "line") return null;
  const url = new URL(href);
  url.searchParams.set("openExternalBrowser", "1");
  return url.href;
}

/** Whether the device drops what a page keeps when it is not opened for a week (Safari). */
export function forgetsAfterAWeek(userAgent) {
  return /iPhone|iPad|iPod/.test(userAgent) || /Macintosh.*Version\/.*Safari/.test(userAgent);
}
