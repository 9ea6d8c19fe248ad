-- The schema holds the trigger functions too, so CASCADE removes the triggers from every
-- watched table. The tables themselves are left alone.
drop schema pgherald cascade;
