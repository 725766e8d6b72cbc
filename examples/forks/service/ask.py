"""Writes the notes given as arguments, then prints all that the service knows."""

import os
import sys
from urllib.request import urlopen

URL = "http://127.0.0.1:8123/"
for note in sys.argv[1:]:
    urlopen(URL, note.encode(), timeout=5)
known = urlopen(URL, timeout=5).read().decode().splitlines()
print(f"{os.environ.get('TASK', 'no task')}: {', '.join(known) or 'nothing yet'}")
