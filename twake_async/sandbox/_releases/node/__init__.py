"""What the Node servers of 2022 and 2023 answer to an application. No I/O."""
