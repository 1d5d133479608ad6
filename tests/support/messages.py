"""A hundred messages to a shop's support, written by hand, and twenty queries with judgements."""

from __future__ import annotations

import json
from pathlib import Path

#: What the messages are about; they come mixed, as in an inbox.
BY_TOPIC = {
    "login": (
        "I can't log in any more, it keeps saying my password is wrong.",
        "The reset link you mailed me has expired before I could open it.",
        "Locked out after three tries. How do I get back into my account?",
        "Two-factor codes never arrive on my phone since I changed the number.",
        "My username isn't recognised although I used it last week.",
        "Signing in with Google ends in a blank page.",
        "Please unlock my account, I mistyped the PIN too often.",
        "I forgot which e-mail I registered with and can't sign in.",
        "The password reset form does nothing when I press Send.",
        "Every time I open the site I have to sign in again.",
    ),
    "payment": (
        "My card was declined although there is enough money on it.",
        "You charged me twice for the same order.",
        "Can I pay by bank transfer instead of credit card?",
        "PayPal says the payment went through but your site says unpaid.",
        "I see a charge of 39.90 that I don't recognise.",
        "The checkout hangs after I enter the security code of my Visa.",
        "How do I change the card you bill every month?",
        "Do you take American Express?",
        "The payment page shows an error 500 after I press Pay.",
        "My direct debit bounced, can I pay now by hand?",
    ),
    "delivery": (
        "My parcel should have been here on Monday and still isn't.",
        "The tracking has said 'in transit' for eight days.",
        "The courier left the box in the rain in front of the wrong house.",
        "Can you send it to my office instead of my home?",
        "Is it possible to have it delivered on a Saturday?",
        "The driver says nobody was home, but I was here all day.",
        "Half of the order arrived, the rest is missing.",
        "How long does shipping to Norway take?",
        "The tracking number you sent doesn't exist at the carrier.",
        "I moved last week, please change the shipping address.",
    ),
    "refund": (
        "I sent the shoes back two weeks ago and got no money yet.",
        "How do I return a jacket that doesn't fit?",
        "The return label won't print.",
        "Can I exchange the lamp for the bigger one?",
        "You refunded only half of what I paid.",
        "I would like my money back, the mixer is not what I expected.",
        "Is the return free if I bring it to a shop?",
        "It is day 32, am I too late to send it back?",
        "The refund went to a card that I've closed.",
        "Where do I find the form for returning an item?",
    ),
    "broken": (
        "The screen of the tablet was cracked when I opened the box.",
        "The coffee machine leaks water from below.",
        "One leg of the chair is shorter than the others.",
        "The headphones stopped working after two days.",
        "A zip on the backpack broke on the first trip.",
        "The blender smells burnt and makes a terrible noise.",
        "There is a scratch across the table top.",
        "The battery of the drill doesn't charge any more.",
        "The kettle switches itself off before the water boils.",
        "The glass jar arrived in pieces.",
    ),
    "app": (
        "The app crashes as soon as I open the basket.",
        "Since the update the app is stuck on the loading screen.",
        "Push notifications come hours late on Android.",
        "Dark mode makes the prices unreadable in your app.",
        "The app drains my battery even when I don't use it.",
        "I can't upload a photo, the app freezes.",
        "The search in the app finds nothing, on the website it works.",
        "Your app asks for my location all the time.",
        "The barcode scanner in the app doesn't focus.",
        "After installing version 5 my favourites are gone from the app.",
    ),
    "invoice": (
        "I need an invoice with our company's VAT number on it.",
        "The bill shows my old address.",
        "Please send the receipt for order 48213 again.",
        "Where can I download my invoices as PDF?",
        "The invoice adds up to more than the order did.",
        "Our accounting needs one bill a month, not twelve.",
        "There is no tax shown on the receipt.",
        "The name on the invoice is misspelled.",
        "Could you put our purchase order number on the bill?",
        "I never got a receipt for what I bought in March.",
    ),
    "subscription": (
        "How do I cancel my subscription?",
        "I cancelled in May and you renewed it anyway.",
        "What is the difference between the Basic and the Plus plan?",
        "Can I pause my membership over the summer?",
        "I want to upgrade to the family plan.",
        "When does my free trial end?",
        "Does the yearly plan renew by itself?",
        "Please switch me from monthly to yearly.",
        "The student discount is gone from my membership.",
        "How many people can share one Plus subscription?",
    ),
    "privacy": (
        "Please delete my account and everything you know about me.",
        "I keep getting your newsletter although I unsubscribed.",
        "Who do you share my data with?",
        "I want a copy of all data you store about me.",
        "Somebody else's order shows up in my profile, is my data safe?",
        "Take my phone number out of your records.",
        "How long do you keep my search history?",
        "I got a strange mail that pretends to be from you, is it phishing?",
        "Stop sending me text messages with offers.",
        "Which cookies does your site set, and can I refuse them?",
    ),
    "stock": (
        "When will the green bicycle be back in stock?",
        "Do you have this coat in size 46?",
        "Is the sofa also available in leather?",
        "Tell me when the game console can be ordered again.",
        "The website says in stock, the shop in Leeds says sold out.",
        "Can I reserve the last one in the shop?",
        "Will you ever carry left-handed scissors?",
        "Is the desk sold without the drawers?",
        "Which shop near Bristol has the red kettle?",
        "Do the walking boots come in half sizes?",
    ),
}
TOPICS = tuple(topic for _ in range(10) for topic in BY_TOPIC)
MESSAGES = tuple(texts[i] for i in range(10) for texts in BY_TOPIC.values())
#: What somebody in the team looks for, and the messages that answer it.
QUERIES = {
    "customers who cannot get into their account": "login 0 2 4 5 6 7",
    "password reset does not work": "login 1 8",
    "verification code by text message does not come": "login 3",
    "charged more than once or without reason": "payment 1 4",
    "which ways to pay are there": "payment 2 7 9",
    "credit card does not work at checkout": "payment 0 5 8",
    "late parcels": "delivery 0 1",
    "send the order to another address": "delivery 3 9",
    "part of the order is missing": "delivery 6",
    "waiting for money after sending something back": "refund 0 4 8",
    "how to return an item": "refund 1 2 6 9",
    "arrived damaged": "broken 0 6 9",
    "stopped working soon after buying": "broken 3 4 7",
    "the app freezes or crashes": "app 0 1 5",
    "company details on the bill": "invoice 0 5 8",
    "send a receipt again": "invoice 2 3 9",
    "ending a membership": "subscription 0 1",
    "compare the plans": "subscription 2 9",
    "erase personal data": "privacy 0 5",
    "sold out, when will it come back": "stock 0 3 4",
}


def relevant(judged: str) -> list[int]:
    """The numbers of the messages that a query's judgement names."""
    topic, *numbers = judged.split()
    return [MESSAGES.index(BY_TOPIC[topic][int(number)]) for number in numbers]


def judged_folder(folder: Path) -> Path:
    """The messages with queries and judgements as a BEIR folder."""
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"m{i}", "text": text} for i, text in enumerate(MESSAGES)]
    asked = [{"_id": f"q{i}", "text": query} for i, query in enumerate(QUERIES)]
    for name, rows in (("corpus", documents), ("queries", asked)):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    judgements = [
        f"q{q}\tm{i}\t1" for q, judged in enumerate(QUERIES.values()) for i in relevant(judged)
    ]
    table = "\n".join(["query-id\tcorpus-id\tscore", *judgements])
    (folder / "qrels" / "test.tsv").write_text(table, encoding="utf-8")
    return folder
