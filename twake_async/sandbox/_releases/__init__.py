"""What the servers of 2020 and 2021 answer: their routes, their rules, and PHP's quirks. No I/O."""
