"""The API of Twake 2020 to 2022: `/api/v1/messages/save` and `remove`."""
