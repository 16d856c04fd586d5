"""The shipped scenarios of SRv6, and what packets look like on the way."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.cli import main
from tests.support.command import ROOT
