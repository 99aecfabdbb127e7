"""The part ``ledger``: what policies cost a master and its followers, over the ledger's size."""
