"""Explorers: what a trained model does, in the reader's hands.

`page` prints them for the report and writes pages of their own, `networks`
packs a network as text, and the scripts beside them run it in a browser.
"""

from aevb.live.networks import export
from aevb.live.page import Page, explore

__all__ = ["Page", "explore", "export"]
