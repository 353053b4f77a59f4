"""Which statements of a user a later one changes, and which it leaves alone, by what they do.

A change that is missed leaves both lines. One that is false takes away what holds.
"""

from __future__ import annotations

import pytest

from compact_otel.core.facts.matching import Line
from compact_otel.core.facts.updates import GONE, standing


def shown(*messages):
    """Return what is shown of each message; a user's unless it begins with `A: `."""
    lines = [
        Line(place, text.removeprefix("A: "), not text.startswith("A: "))
        for place, text in enumerate(messages)
    ]
    changed = standing(lines).changed
    return [changed.get((line.position, line.text), line.text) for line in lines]


def changed_in(*messages):
    """Return what users' messages of several sentences changed."""
    return standing([Line(n, text) for n, said in enumerate(messages) for text in said]).changed


KEPT = {
    "as told": (
        ("Travel expenses must stay below $800.", "The hotel costs must stay below $300."),
        ("Travel expenses must stay below $800.", "Travel cost us $90 so far."),
        ("Travel expenses must stay below $800.", "New limit for meal costs: keep them under $60."),
        ("Train costs must stay below $80.", "The travel budget is $600."),
        ("We are calling the app Fennel.", "We are calling Anna Lee tomorrow."),
        ("1: Call Anna Lee about the order of pens.", "2: Call Anna Lee about the order of pens."),
        ("1. Never send Bob all the offers.", "2. Never send Bob all the offers."),
        ("3) All of it was paid with a card by Bob.", "4) All of it was paid with a card by Bob."),
        ("Give me terse answers.", "Use metric units in answers."),
        ("The door code is elm-55.", "The garage code is oak-77; the old garage code is retired."),
        ("Anna Lee owns the pager this week.", "Tom Bell owns the billing service."),
        ("Our launch deadline is 2027-03-11.", "Our freeze deadline is 2027-05-12."),
    ),
    "travel": (
        ("My budget for this is $900.", "By the way, the train costs $80."),
        ("My budget is $900.", "Actually, the train costs $80."),
        ("The budget is $900.", "We spent $250 of the budget so far."),
        ("The budget is $900.", "We have now spent $250 of the budget."),
        ("The budget is $900.", "There is $250 left in the budget now."),
        ("The budget is $900.", "The cost of the flight is $450."),
        ("Max spend is $900.", "Delivery costs $20."),
        ("The budget for the trip is $2000.", "The hotel budget is $800."),
        ("The budget is $2000.", "The budget for flights is $400."),
        ("My limit is $600.", "The hotel is $50 over my limit."),
        ("The budget is $900.", "Actually it costs $80 only."),
        ("Room 12 costs $90 a night.", "Room 14 costs $120 a night."),
        ("My flight leaves on 3 May.", "My wife's flight leaves on 5 May."),
        ("Seat 12A is for Anna Bell.", "Seat 12B is for Tom Bell."),
        ("The hotel in Rome costs $120 a night.", "The hotel in Milan now costs $150 a night."),
        ("The check-in is at 3 pm.", "The dinner has moved to 8 pm."),
        ("My appointment is on Monday at 9 am.", "My wife's appointment is on Tuesday at 10 am."),
        ("Never book before 9 am.", "Never book after 9 pm."),
        ("Das Budget ist 900 Euro.", "Der Zug kostet jetzt 80 Euro."),
        ("Le budget est de 900 euros.", "Le train coûte 80 euros."),
        ("The deadline is Friday.", "Our call is on Monday."),
    ),
    "coding": (
        ("The port is 8080.", "The Redis port is 6379."),
        ("The server listens on port 8080.", "The database listens on port 5432."),
        ("The port is 8080.", "The port of the database is now 5433."),
        ("Reviewer of PR 12 is Carol Smith.", "Reviewer of PR 15 is Dan Brown."),
        ("The review is by Carol Smith.", "The call is with Dan Brown."),
        ("The reviewer is Carol Smith.", "The owner is Dan Brown."),
        ("Work on branch feature/login.", "The base branch is release/2.0."),
        ("The commit that broke it is 3f2a9bc.", "The commit that fixed it is 9de01aa."),
        (
            "The API endpoint is https://api.example.com/v1.",
            "The staging API endpoint is https://stg.example.com/v1.",
        ),
        (
            "The login url is https://a.example/login.",
            "The logout url is https://a.example/logout.",
        ),
        ("The endpoint is https://a.example.", "The docs url is https://docs.a.example."),
        ("Examples in Python, please.", "The example in the docs is in Java."),
        ("The test on line 40 fails.", "The test on line 90 fails."),
        ("The test on line 40 fails with an error.", "The test on line 90 fails with an error."),
        ("Line 40 of the parser must stay as it is.", "Line 90 of the parser must stay as it is."),
        ("Set the timeout of the client to 30.", "Set the retries of the client to 5."),
        ("Release 1.2 is due on 3 May.", "Release 1.3 is due on 9 June."),
        ("We are in phase 2.", "Phase 3 starts in June."),
        ("The phase 1 budget is $900.", "The phase 2 budget is $1200."),
        ("Never touch src/billing/core.py.", "Never touch src/auth/tokens.py."),
        ("Use Python for the backend.", "Use TypeScript for the frontend."),
        ("The production region is eu-north-1.", "The staging region is now us-west-2."),
        ("The owner is Anna Lee.", "The owner of the billing module is John Kim."),
    ),
    "customer service": (
        ("Customer 17's deadline is 3 May.", "Customer 18's deadline is 9 June."),
        ("Customer 17 has paid the bill.", "Customer 18 has paid the bill."),
        ("The limit per order is $500.", "The limit per month is $2000."),
        ("The daily limit is $500.", "The monthly limit is $2000."),
        ("The order number is A-1001.", "The second order number is B-2002."),
        ("Always CC Anna Lee on mails to customers.", "Always CC John Kim on mails to customers."),
        (
            "Please always copy anna@example.org on replies to this customer.",
            "Please always copy john@example.org on replies to this customer.",
        ),
        ("Never call Anna Lee about the invoice.", "Never call John Kim about the invoice."),
        ("Order A-1001 must be delivered by 3 May.", "Order B-2002 must be delivered by 9 June."),
        ("The delivery of the chairs is on 9 June.", "The delivery of the tables is on 12 June."),
        (
            "The deadline is 3 May.",
            "The delivery of the chairs is on 9 June, that is another matter.",
        ),
        ("The deadline is Friday.", "Delivery takes until Monday at least."),
        ("My email is ann@example.org.", "The billing email is bob@example.org."),
        ("Ticket 4411 is due on Monday.", "Ticket 4412 is due on Tuesday."),
        ("Answer short.", "The answer to the customer should be long and formal."),
        ("Call me Ann Lee.", "Please call Bob Smith about it."),
        (
            "The refund for order A-1001 must not exceed $50.",
            "The refund for order B-2002 must not exceed $80.",
        ),
        ("Invoice 1001 is for $300.", "Invoice 1002 is for $450."),
        ("The contact at Acme is Lena Vogt.", "The contact at Globex is Amir Khan."),
        (
            "Refunds above $100 need approval of Lena Vogt.",
            "Discounts above $500 need approval of Amir Khan.",
        ),
    ),
    "operations": (
        ("The launch is on 3 May.", "I have a call on 9 April about the launch."),
        ("The deploy is on Friday.", "The demo is on Thursday."),
        ("The meeting is on Monday.", "The meeting with Bob is on Tuesday."),
        ("The deadline is 3 May.", "The deadline for the draft is 1 April."),
        ("The on-call lead for Redis is Anna Lee.", "The on-call lead for Kafka is John Kim."),
        ("Server 4 must be restarted on Monday.", "Server 5 must be restarted on Tuesday."),
        ("The budget of team A is $900.", "The budget of team B is $700."),
        ("The warehouse in Berlin opens at 8 am.", "The warehouse in Hamburg opens at 6 am."),
        ("The password for the VPN is abc123x.", "The password for the mail is zyx987w."),
        ("The spending cap of Q1 is $4000.", "The spending cap of Q2 is $6000."),
        ("The budget is $900.", "The licence now costs $300."),
        ("The budget is $900.", "The vendor raised the cost of the licence to $300."),
        ("The approver is Anna Lee.", "My lead is Carl Jones."),
        ("The freeze is on Friday.", "The review is now on Monday."),
        ("No deploys on Fridays.", "No deploys on Mondays."),
        ("The timezone of the cluster is UTC.", "The customer is in CET."),
        (
            "Please alert Anna Lee when disk 3 is full.",
            "Please alert Anna Lee when disk 4 is full.",
        ),
    ),
    "mixed": (
        ("Our budget is $900.", "Their budget is $700."),
        ("The deadline is 3 May.", "The deadline is not 9 June."),
        ("The deadline is 3 May.", "The deadline might be 9 June."),
        ("The budget is $900.", "If the budget were $1200, we could fly."),
        ("The budget is $900.", "The budget also has to cover $200 of fees."),
        ("My budget for Rome is $900.", "Actually, the train to Rome is $80."),
        ("My budget for Rome is $900.", "Sorry, the train to Rome costs $80."),
        ("I need 3 rooms in Rome.", "Actually, there are 5 museums in Rome that I want to see."),
        ("The hall in Leeds is ours on Monday.", "The hall in York is now ours on Friday."),
        ("The test fails on line 40.", "The test fails on line 90."),
        ("The customer paid $50.", "The customer paid $80."),
        ("The build failed on 3 May.", "The build failed on 9 May."),
        ("The intern must not touch src/a.py.", "The intern must not touch src/b.py."),
        ("The first call is on Monday.", "The last call is on Friday."),
        (
            "Send the contract to Anna Bell by Monday.",
            "Send the invoice to Tom Lee by Friday instead.",
        ),
        ("The deadline for the report is 3 May.", "The deadline for the poster is now 9 June."),
        ("Option A has a budget of $900.", "Option B has a budget of $700."),
        ("The budget is $900.", "Now the taxi asks for $60."),
        ("Port 8080 is blocked.", "Port 9090 is blocked."),
        (
            "The API key rotation is due on Monday.",
            "The certificate rotation is now due on Friday.",
        ),
        ("The owner of the repo is Anna Lee.", "Update: the owner of the wiki is John Kim."),
        ("Das Budget für Hotels ist 900 Euro.", "Das Budget für Flüge ist jetzt 400 Euro."),
        ("Table 4 is booked for Monday.", "Table 5 is booked for Friday."),
        ("Deploy to staging on Monday.", "Deploy to production on Thursday."),
        ("My daughter needs a window seat.", "My son needs an aisle seat."),
    ),
}

# What is left of the first; nothing, unless it is said here.
CHANGED = {
    "in other words": (
        ("The codename of the app is HERON-11.", "We are calling the app OSPREY-12 now.", GONE),
        (
            "This week the pager is with Anna Lee.",
            "Tom Bell now owns the pager this week.",
            GONE,
        ),
        ("Always report in CET.", "From now on, report in UTC.", GONE),
        ("$900: budget for Rome.", "$700: budget for Rome.", GONE),
        ("Work on branch fix/login-3.", "We rebased onto fix/login-4; the tests are next.", GONE),
        ("Give me terse answers.", "I would rather get warm, playful answers.", GONE),
        (
            "Never tell anyone the door code elm-55.",
            "The door code rotated. Never tell anyone the door code oak-77; the old is retired.",
            GONE,
        ),
        (
            "Travel expenses must stay below $800.",
            "New limit for travel costs: keep them under $600.",
            GONE,
        ),
        (
            "Travel costs must stay below $800.",
            "Keep the travel budget under $600 from now on.",
            GONE,
        ),
        ("Our launch deadline is 2027-03-11.", "The launch date moved to 05-12 (May 12).", GONE),
        ("The launch deadline is 2027-03-11.", "Our launch date is 2027-05-12.", GONE),
        ("Only Anna Lee may approve this.", "Only Tom Bell may approve this.", GONE),
    ),
    "travel": (
        ("The budget is $900.", "The budget is now $1200.", GONE),
        ("The budget is $900.", "The budget is $1200.", GONE),
        ("My budget is $900.", "Make it $1200 instead.", "My budget is [now $1200]."),
        ("My budget for this trip is $900.", "My budget for this trip is $1200.", GONE),
        ("My budget for this trip is $900.", "The budget is now $1200.", GONE),
        ("My budget for this trip is $900.", "Actually, I can raise the budget to $1200.", GONE),
        ("Our budget is $900.", "Keep spending under $600 from now on.", GONE),
        ("The budget is $900.", "Correction: the budget is $1200.", GONE),
        ("The budget is $900.", "I meant $1200, not $900.", "The budget is [now $1200]."),
        ("Book a table for Monday.", "Make that Tuesday.", "Book a table for [now Tuesday]."),
        (
            "Please book the flight for 3 May.",
            "Sorry, the flight has to be on 5 May.",
            "Please book the flight for [now 5 May].",
        ),
        ("My new address is 14 Elm Street.", "My new address is 90 Harbour Road.", GONE),
        ("I would like the window seat.", "Actually, make it the aisle seat.", GONE),
        ("The hotel costs $120 a night.", "The hotel now costs $150 a night.", GONE),
        ("Das Budget beträgt 900 Euro.", "Das Budget liegt jetzt bei 1200 Euro.", GONE),
        ("La réunion est le 12 mai.", "Finalement, la réunion est le 19 mai.", GONE),
        ("Our trip budget is $900.", "We have raised the trip budget to $1200.", GONE),
        (
            "I need 3 rooms for the family.",
            "Sorry, 4 rooms.",
            "I need [now 4] rooms for the family.",
        ),
    ),
    "coding": (
        ("The port is 8080.", "I meant 8081, not 8080.", "The port is [now 8081]."),
        ("The port is 8080.", "The port is 8081.", GONE),
        ("The port is 8080.", "Actually, the port is 8081.", GONE),
        ("The server listens on port 8080.", "The server listens on port 8081 now.", GONE),
        (
            "Run the staging server on port 8080.",
            "Actually, use port 8081 for the staging server instead.",
            GONE,
        ),
        ("We work on branch feat/login.", "We switched development to branch feat/oauth.", GONE),
        ("Work on branch feature/login.", "Work on branch feature/signup instead.", GONE),
        (
            "The base URL is https://a.example/v1.",
            "The base URL is https://a.example/v2 now.",
            GONE,
        ),
        ("Examples in Python, please.", "Examples in Rust from now on, please.", GONE),
        ("The release owner is Lena Vogt.", "The release owner is Amir Khan.", GONE),
        ("Lena Vogt owns the release.", "Amir Khan is now the release owner.", GONE),
        ("The codename is HERON-11.", "We renamed it, the codename is OSPREY-12.", GONE),
        ("The staging region is eu-north-1.", "The staging region is us-west-2.", GONE),
        ("We are in phase 2.", "We are in phase 3 now.", GONE),
        ("Reviewer of PR 12 is Carol Smith.", "Reviewer of PR 12 is Dan Brown.", GONE),
        ("Reviewer of PR 12 is Carol Smith.", "The reviewer of PR 12 is now Dan Brown.", GONE),
    ),
    "customer service": (
        ("The deadline is Thursday.", "Actually the deadline is Friday.", GONE),
        ("Customer 17's deadline is 3 May.", "Customer 17's deadline is now 9 May.", GONE),
        ("Customer 17's deadline is 3 May.", "Customer 17's deadline is 9 May.", GONE),
        ("The limit per order is $500.", "The limit per order is $400.", GONE),
        ("The limit per order is $500.", "The limit per order was raised to $800.", GONE),
        (
            "Always CC Anna Lee on mails to customers.",
            "Always CC John Kim instead of Anna Lee on mails to customers.",
            GONE,
        ),
        (
            "Always CC Anna Lee on mails to customers.",
            "From now on always CC John Kim on mails to customers.",
            GONE,
        ),
        ("Answers should be terse.", "I would rather have friendly answers.", GONE),
        (
            "Please ship to 14 Elm Street.",
            "Actually, please ship to 90 Harbour Road instead.",
            GONE,
        ),
        (
            "The discount code is SPRING-20.",
            "Marketing replaced the discount code, it is SUMMER-15 now.",
            GONE,
        ),
        (
            "My contact for this is anna@example.org.",
            "Please use ben@example.org as my contact from now on.",
            GONE,
        ),
        (
            "The refund for order A-1001 must not exceed $50.",
            "The refund for order A-1001 must not exceed $80.",
            GONE,
        ),
        ("Order 5 units of the gasket.", "Change the gasket order to 12 units.", GONE),
        ("Please write all replies in German.", "Please write all replies in French.", GONE),
    ),
    "operations": (
        ("The deadline is 3 May.", "The deadline has moved to 9 June.", GONE),
        ("The deadline is 3 May.", "The deadline is 9 June.", GONE),
        ("The deadline for the report is 3 May.", "The deadline has moved to 9 June.", GONE),
        ("The deadline for the report is 3 May.", "The report deadline is 9 June.", GONE),
        ("The launch is on 3 May.", "We moved the launch to 9 June.", GONE),
        ("The launch is on 3 May.", "The launch is on 9 June.", GONE),
        ("Report all times in UTC.", "Please show times in Pacific time.", GONE),
        ("The hall opens at nine.", "I asked again, the hall opens at ten.", GONE),
        (
            "The on-call lead for Redis is Anna Lee.",
            "The on-call lead for Redis is John Kim this week.",
            GONE,
        ),
        ("The meeting is on Monday.", "The meeting has been rescheduled to Thursday.", GONE),
        ("The spending cap of Q1 is $4000.", "The spending cap of Q1 is $6000.", GONE),
        ("The catering budget is $800.", "Update: the catering budget is now $650.", GONE),
        ("The approver is Anna Lee.", "The approver is Carl Jones.", GONE),
        ("Deliver the pallets on Monday.", "Deliver the pallets on Wednesday instead.", GONE),
        ("No deploys on Fridays.", "Deploys on Fridays are fine now.", GONE),
        ("Keep the backups for 30 days.", "Keep the backups for 90 days instead.", GONE),
    ),
    "mixed": (
        ("The deadline is 3 May.", "The deadline has moved from 3 May to 9 June.", GONE),
        ("The budget is $900.", "The budget is $90.", GONE),
        ("Send it on Monday.", "Not on Monday, send it on Tuesday.", GONE),
        ("The budget is $900.", "I have to cut the budget to $700 because prices rose.", GONE),
        ("The budget is $900.", "By the way, the budget is now $700.", GONE),
        ("The budget is $900.", "We talked again, the budget is $700.", GONE),
        ("My deadline is Friday.", "The boss moved the deadline to Monday.", GONE),
        ("Please answer in English.", "Please reply in German from now on.", GONE),
        ("The budget of team A is $900.", "The budget of team A is now $950.", GONE),
        ("The deploy is on Friday.", "The deploy has been pushed to Monday.", GONE),
        ("The invoice number is AB-1234.", "The invoice number should have been AB-4321.", GONE),
    ),
}

WX_1, WX_2 = "Next is order WX-23576.", "Next is order WX-83450."
REST = "I need the rest by 2025-05-11. Take your time, I am having lunch."
LATER = "I need the rest by 2025-04-13. Take your time, I am having lunch."

# Messages of several sentences about things that have codes.
OF_ANOTHER = (
    ((WX_1, REST), (WX_2, LATER)),
    ((WX_1, "The deadline is Monday."), (WX_2, "The deadline is now Friday.")),
    ((WX_1, "Deliver it on Monday."), (WX_2, "Actually, deliver it on Friday.")),
    ((WX_1, "Never call Anna Lee about it."), (WX_2, "You may call Anna Lee about it after all.")),
    (("About #123.", "The hall opens at nine."), ("About #456.", "The hall opens at ten.")),
    (("Ship A-1001 by Monday.",), ("Actually, ship B-2002 by Friday.",)),
    (("Close #123 by Monday.",), ("Actually, close #456 by Friday.",)),
    (("Book flight BA117 on 3 May.",), ("Make it BA119 on 5 May.",)),
)
OF_THE_SAME = (
    ((WX_1, REST), (WX_1, LATER)),
    ((WX_1, REST), (LATER,)),
    ((REST,), (WX_2, LATER)),
    ((WX_1, WX_2, "Deliver it on Monday."), (WX_2, "Actually, deliver it on Friday.")),
    ((WX_1, "Deliver it on Monday."), (WX_2, "Deliver it on Friday, not Monday.")),
    (("Ship A-1001 by Monday.",), ("Actually, ship A-1001 by Friday.",)),
    (("Book flight BA117.",), ("Book flight BA119 instead.",)),
    (("The codename is HERON-11.",), ("The codename is OSPREY-12 now.",)),
)


@pytest.mark.parametrize(("first", "later"), OF_ANOTHER)
def test_a_message_about_another_order_changes_nothing(first, later):
    assert not changed_in(first, later)


@pytest.mark.parametrize(("first", "later"), OF_THE_SAME)
def test_a_message_about_the_same_order_or_none_changes_what_was_said_last(first, later):
    assert (0, first[-1]) in changed_in(first, later)


@pytest.mark.parametrize(("first", "later"), [pair for pairs in KEPT.values() for pair in pairs])
def test_a_statement_of_something_else_leaves_the_first_as_it_was_said(first, later):
    assert shown(first, later) == [first, later]


@pytest.mark.parametrize(
    ("first", "later", "left"), [case for cases in CHANGED.values() for case in cases]
)
def test_a_statement_of_the_same_changes_the_first(first, later, left):
    assert shown(first, later) == [left, later]


def test_of_a_series_of_statements_about_several_things_each_stays():
    for series in (
        [f"Customer {n}'s deadline is {n - 10} May." for n in (17, 18, 19)],
        [f"Room {n} costs ${n}0 a night." for n in (12, 14, 16)],
        [
            "Always CC Anna Lee on mails.",
            "Always CC John Kim on mails.",
            "Always CC Eve Roe on mails.",
        ],
        ["The deadline of team A is Monday.", "The deadline of team B is Friday."],
    ):
        assert shown(*series) == series


def test_what_the_assistant_repeated_stays_when_something_else_is_said():
    said = (
        "The budget is $900.",
        "A: Noted, the budget is $900.",
        "We spent $250 of the budget so far.",
        "By the way, the train now costs $80.",
    )
    assert shown(*said) == [text.removeprefix("A: ") for text in said]


def test_a_change_means_the_statement_of_the_very_same_thing():
    said = ("The budget is $900.", "The hotel budget is $300.")
    assert shown(*said, "The budget is now $1200.")[:2] == [GONE, said[1]]
    assert shown(*said, "The hotel budget is now $400.")[:2] == [said[0], GONE]


def test_a_change_that_may_mean_either_of_two_statements_changes_neither():
    said = ("The deadline for the report is 3 May.", "The deadline for the poster is 9 May.")
    assert shown(*said, "The deadline has moved to 12 May.")[:2] == list(said)


def test_it_means_what_was_said_of_late():
    said = ("The hotel in Rome costs $120 a night.", *["A: ok"] * 5)
    assert shown(*said, "Actually, it costs $80 a night.")[0] == GONE
    assert shown(*said, "A: ok", "Actually, it costs $80.")[0] == said[0]
