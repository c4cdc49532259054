"""Stands in for the socket module on boards without network: umqtt's codec imports one, and nothing calls it there."""
