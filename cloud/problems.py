"""What a person is told when something cannot be done: a stable code and a text in three tongues.

Decides the words and the HTTP status of each code. Texts never name a person, a key or a token;
`{...}` places are filled with times, rooms and counts only.
"""

from __future__ import annotations

from typing import Any

_TEXTS: dict[str, tuple[int, str, str, str]] = {
    "UNKNOWN_ROOM": (
        404,
        "その部屋は登録されていません。登録済みの部屋: {rooms}",
        "そのへやは ありません。ある へや: {rooms}",
        "There is no such room. Known rooms: {rooms}",
    ),
    "OVERLAP": (
        409,
        "{room}は {taken} に別の予約があります。",
        "{room}は {taken} に ほかの よやくが あります。",
        "{room} is already booked {taken}.",
    ),
    "ENDS_BEFORE_START": (
        422,
        "終了は開始より後にしてください。",
        "おわる じかんを はじまる じかんより あとに してください。",
        "The end must be after the start.",
    ),
    "IN_THE_PAST": (
        422,
        "過ぎた時間は予約できません。",
        "もう すぎた じかんは よやく できません。",
        "This time has already passed.",
    ),
    "TOO_LONG": (
        422,
        "一回の利用は{hours}時間までです。",
        "いちどに つかえるのは {hours}じかんまでです。",
        "One use lasts at most {hours} hours.",
    ),
    "TOO_FAR_AHEAD": (
        422,
        "予約できるのは366日先までです。",
        "よやく できるのは 366にち さきまでです。",
        "Bookings are possible up to 366 days ahead.",
    ),
    "THIS_AND_FUTURE": (
        422,
        "「以後すべて」の変更には対応していません。回ごとに送ってください。",
        "「これから ぜんぶ」の へんこうは できません。1かいずつ おくってください。",
        "RANGE=THISANDFUTURE is not supported: send each changed instance.",
    ),
    "UNSUPPORTED_RULE": (
        422,
        "この繰り返し(日より細かい、または解釈できない間隔)には対応していません。",
        "この くりかえしは つかえません。",
        "This recurrence is not supported: daily, weekly, monthly or yearly, at one time of day.",
    ),
    "BROKEN_CALENDAR": (
        422,
        "カレンダーを読めません。何も取り込んでいません: {what}",
        "カレンダーが よめません。なにも かわって いません: {what}",
        "The calendar cannot be read; nothing was imported: {what}",
    ),
    "UNKNOWN_KEY": (
        404,
        "このリンクは使えません。新しいリンクを窓口にお求めください。",
        "この リンクは つかえません。あたらしい リンクを まどぐちで もらってください。",
        "This link cannot be used. Please ask the office for a new one.",
    ),
    "BAD_DEVICE_KEY": (
        422,
        "端末の鍵の形式が正しくありません。",
        "スマホの かぎの かたちが ただしく ありません。",
        "The device key is not an uncompressed P-256 point.",
    ),
    "TOO_EARLY_FOR_KEY": (
        425,
        "鍵は {opens} から受け取れます。",
        "かぎは {opens} から うけとれます。",
        "The key can be collected from {opens}.",
    ),
    "OTHER_DEVICE": (
        409,
        "この鍵は別の端末で受け取り済みです。端末を替えるときは窓口に引き継ぎをお申し出ください。",
        "この かぎは ほかの スマホに あります。かえるときは まどぐちに いってください。",
        "This key is already on another device. Ask the office to hand it over to this one.",
    ),
    "BOOKING_CANCELLED": (
        410,
        "この予約は取り消されました。",
        "この よやくは とりけされました。",
        "This booking has been cancelled.",
    ),
    "BOOKING_OVER": (
        410,
        "この予約の時間は終わりました。",
        "この よやくの じかんは おわりました。",
        "The time of this booking is over.",
    ),
    "NOT_CONFIRMED": (
        409,
        "この予約はまだ承認されていません。",
        "この よやくは まだ きまって いません。",
        "This booking has not been confirmed yet.",
    ),
    "NO_LOCK": (
        409,
        "この部屋の錠はまだ準備中です。窓口にお問い合わせください。",
        "この へやの かぎは まだ じゅんび ちゅうです。まどぐちに きいてください。",
        "The lock of this room is not ready yet. Please ask the office.",
    ),
    "UNKNOWN_BOOKING": (
        404,
        "その予約はありません。",
        "その よやくは ありません。",
        "There is no such booking.",
    ),
    "NOT_STAFF": (
        401,
        "職員用の認証が必要です。",
        "しょくいんの かくにんが ひつようです。",
        "Staff authentication is required.",
    ),
    "NO_TICKET": (
        401,
        "中継の許可がありません。鍵を受け取り直してください。",
        "もういちど かぎを うけとってください。",
        "No valid relay ticket. Please collect the key again.",
    ),
    "OTHER_LOCK": (
        403,
        "この鍵は別の扉のものです。",
        "この かぎは ほかの ドアの ものです。",
        "This key belongs to another door.",
    ),
    "GATEWAY_OFFLINE": (
        503,
        "建物の中継器に接続できません。扉の前でスマートフォンから直接開けてください。",
        "たてものの きかいが つながりません。ドアの まえで スマホで あけてください。",
        "The building's gateway is offline. Open directly from your phone at the door.",
    ),
    "UNREACHABLE": (
        502,
        "中継器から錠に届きません。もう一度お試しください。",
        "かぎに とどきません。もういちど ためしてください。",
        "The gateway cannot reach the lock. Please try again.",
    ),
    "TIMEOUT": (
        504,
        "錠からの返事がありません。もう一度お試しください。",
        "かぎから へんじが ありません。もういちど ためしてください。",
        "The lock did not answer in time. Please try again.",
    ),
    "RELAY_OVER": (
        410,
        "中継は終わっています。最初からやり直してください。",
        "もういちど はじめから やってください。",
        "This relay session is over. Please start again.",
    ),
    "RELAY_BUSY": (
        409,
        "前の操作がまだ続いています。少しお待ちください。",
        "すこし まってください。",
        "The previous step is still under way. Please wait a moment.",
    ),
    "RELAY_FAILED": (
        502,
        "中継に失敗しました ({error})。もう一度お試しください。",
        "うまく いきませんでした ({error})。もういちど ためしてください。",
        "The relay failed ({error}). Please try again.",
    ),
    "TOO_LARGE": (
        413,
        "送られたデータが大きすぎます。",
        "データが おおきすぎます。",
        "The request is too large.",
    ),
    "INVALID": (
        422,
        "入力に誤りがあります: {where}",
        "まちがいが あります: {where}",
        "The request is not valid: {where}",
    ),
    "NOT_FOUND": (404, "見つかりません。", "ありません。", "Not found."),
    "METHOD": (405, "この操作はできません。", "それは できません。", "This method is not allowed."),
    "FAULT": (
        500,
        "サーバーで問題が起きました。もう一度お試しください。",
        "もんだいが おきました。もういちど ためしてください。",
        "Something went wrong on our side. Please try again.",
    ),
}


class Problem(Exception):
    """A request that is answered with a reason instead; a value for people, not a fault."""

    def __init__(self, code: str, **places: Any) -> None:
        super().__init__(code)
        self.code = code
        self.status, *texts = _TEXTS[code]
        self._texts = [text.format(**places) if places else text for text in texts]

    def body(self) -> dict[str, str]:
        """`{"code", "ja", "ja-simple", "en"}`."""
        ja, simple, en = self._texts
        return {"code": self.code, "ja": ja, "ja-simple": simple, "en": en}
