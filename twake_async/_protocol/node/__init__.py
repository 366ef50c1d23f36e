"""The API of Twake's Node servers, 2022 on: a login, and `/api/messages/v1/companies/…`."""
