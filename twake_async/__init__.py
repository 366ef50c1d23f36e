"""Send messages to Twake from asyncio, and know what became of each one."""
