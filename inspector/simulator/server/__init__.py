"""Discord's side: gateways, voice, media and the little HTTP that clients need."""
