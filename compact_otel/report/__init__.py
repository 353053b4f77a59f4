"""`compactctl report`: a session as one page, to be looked at rather than read.

episodes -> what the events tell, call by call
from_archive, from_replay -> a session, from an archive or by playing a file
tally    -> tokens at each call, by what they are spent on
gathering -> all that is shown, redacted: what `--json` prints
chart, page -> the page
"""
