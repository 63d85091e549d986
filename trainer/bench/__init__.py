"""`trainer bench`: how fast this machine is at each thing, as ratios taken in one run."""
