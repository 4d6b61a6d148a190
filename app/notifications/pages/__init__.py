"""Pages of notifications: the inbox and preferences, and what admins set up."""

from app.core.routing import Router
from app.notifications.pages import channel_form, channels, deliveries, inbox, webhooks

router = Router(include_in_schema=False)
for _part in (inbox, channels, channel_form, webhooks, deliveries):
    router.include_router(_part.router)
