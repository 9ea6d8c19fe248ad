-- The trigger functions live in this schema too, so CASCADE removes the triggers from every watched
-- table. The tables themselves stay.
drop schema pgherald cascade;
