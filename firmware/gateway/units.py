"""The units of measure that a point may have, so that one quantity is not spelled in five ways.

Symbols of the International System and what is accepted beside it (SI Brochure, 9th edition, in ASCII: degC, deg, u for
micro, m3, Ohm), and what plants are measured in; neither C nor F, which some mean as degrees. A unit that is missing
here is written after "x:" and published with it, so that a consumer sees that it is not from the list. UCUM codes:
lib/points/UNITS.md. Loaded for the check only; texts are searched as they are, because a list of all takes 12 KB.
"""

PREFIX = "x:"

# A space on both sides of each. Short texts: a box that polls may not have 1 KB in one piece.
LIST = (
    " 1 % %RH permille ppm ppb count pcs ",
    " V mV kV uV A mA uA kA W mW kW MW GW VA kVA MVA var kvar Mvar ",
    " Wh kWh MWh GWh VAh kVAh varh kvarh Ah mAh ",
    " J kJ MJ GJ cal kcal BTU Ohm mOhm kOhm MOhm uF nF pF H mH S mS uS mS/cm uS/cm Hz kHz MHz ",
    " degC degF K degR W/m2 W/m2K kJ/kg J/kgK ",
    " Pa hPa kPa MPa bar mbar psi mmHg inH2O mmH2O atm ",
    " m mm cm um nm km in ft m2 mm2 cm2 ha m3 l ml hl cm3 dm3 gal ",
    " s ms us min h d a ",
    " m/s mm/s km/h m/min m/s2 mm/s2 g0 rpm 1/s 1/min 1/h rad rad/s deg ",
    " m3/h m3/s m3/min l/h l/min l/s ml/min kg/h kg/s t/h gpm ",
    " g mg ug kg t lb N kN mN Nm kNm kg/m3 g/m3 mg/m3 ug/m3 g/l mg/l g/cm3 Pas mPas ",
    " mm2/s cSt NTU pH lx lm cd Bq Sv mSv uSv Gy dB dBm dBA T mT ",
    " B kB MB bit bit/s Bd ",
    " kWh/m3 m3/kWh l/kWh g/kWh kg/kWh ",
)

# What people write for them, without capitals, spaces, dots.
_OTHERS = (
    " \u00b0c=degC c=degC celsius=degC \u00b0f=degF \u00b0=deg volt=V volts=V amp=A amps=A ampere=A watt=W "
    " watts=W \u2126=Ohm \u03c9=Ohm ohms=Ohm m\u00b3=m3 m\u00b3/h=m3/h m\u00b2=m2 percent=% rh=%RH %rh=%RH "
    " 1/min=rpm sec=s hour=h hours=h liter=l litre=l \u00b5s=us \u00b5a=uA "
)


def mistake(value):
    """What is allowed in place of `value`, or None if it is a unit."""
    if isinstance(value, str) and len(value) <= 16:
        wanted = " %s " % value
        for line in LIST if " " not in value else ():
            if wanted in line:
                return None
        if not value:
            return None
        if value[:2] == PREFIX and len(value) > 2 and min(value) >= " ":
            return None
        close = _alike(value)
        return "a unit of measure%s, or any after %s" % (close and " as %s" % close, PREFIX)
    return "a unit of at most 16 characters"


def _alike(value):
    # Names that people write, then what differs in capitals, spaces or dots only, then a typing mistake.
    plain = _plain(value)
    at = _OTHERS.find(" %s=" % plain)
    if at >= 0:
        at += len(plain) + 2
        return _OTHERS[at : _OTHERS.index(" ", at)]
    for symbol in symbols():
        if _plain(symbol) == plain:
            return symbol
    if len(value) > 2:
        from gateway.alike import nearest

        return nearest(value, symbols()) or ""
    return ""


def symbols():
    """All of them, one after the other."""
    for line in LIST:
        for symbol in line.split():
            yield symbol


def _plain(text):
    return "".join([c for c in text.lower() if c not in " .*^_"])
