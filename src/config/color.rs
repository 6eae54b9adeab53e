//! A color, and how well it can be told from another (WCAG 2.2).

use std::fmt;

/// An opaque sRGB color. `Display` writes it as `#rrggbb`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Color([u8; 3]);

impl fmt::Display for Color {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([red, green, blue]) = self;
        write!(formatter, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Color {
    pub const BLACK: Self = Self([0; 3]);
    pub const WHITE: Self = Self([255; 3]);

    /// Creates a color from `0xrrggbb`.
    pub const fn new(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self([red, green, blue])
    }

    /// Parses `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let is_rgb = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_rgb.then(|| u32::from_str_radix(digits, 16).ok().map(Self::new)).flatten()
    }

    /// Returns the contrast ratio, from 1 to 21.
    pub fn contrast(self, other: Self) -> f32 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// Returns the relative luminance, from 0 to 1. Each channel is made linear by a polynomial that differs from the
    /// exact power by 0.002 at most, because the module has no other use for powers.
    fn luminance(self) -> f32 {
        let [red, green, blue] = self.0.map(|channel| {
            let x = f32::from(channel) / 255.0;
            x * (x * (x * 0.305_306 + 0.682_171) + 0.012_523)
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Returns this color with `sixteenths` of another one.
    #[must_use]
    pub fn mixed(self, other: Self, sixteenths: u16) -> Self {
        let mut mixed = self.0;
        for (channel, other) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*channel) * (16 - sixteenths) + u16::from(other) * sixteenths;
            *channel = u8::try_from(sum / 16).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// Returns this color, with as much of `other` as it needs to have this contrast to `ground`.
    #[must_use]
    pub fn distinct(self, ground: Self, contrast: f32, other: Self) -> Self {
        let steps = (0..16).map(|sixteenths| self.mixed(other, sixteenths));
        steps.into_iter().find(|color| color.contrast(ground) >= contrast).unwrap_or(other)
    }

    /// Returns the color of a text on this one: white if it can be read, and otherwise black, which then can.
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= 4.6 { Self::WHITE } else { Self::BLACK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast by the definition of WCAG 2.2.
    fn exact(one: Color, other: Color) -> f64 {
        let luminance = |Color(channels): Color| {
            let linear = channels.map(|channel| {
                let x = f64::from(channel) / 255.0;
                if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05
        };
        let (one, other) = (luminance(one), luminance(other));
        one.max(other) / one.min(other)
    }

    /// Every color with channels in steps of 17.
    fn colors() -> impl Iterator<Item = Color> {
        (0..4_096_u32)
            .map(|n| Color::new((n >> 8) * 0x11_0000 + (n >> 4 & 15) * 0x1100 + (n & 15) * 0x11))
    }

    #[test]
    fn a_color_has_six_hexadecimal_digits() {
        assert_eq!(Color::parse("#0a7F5c").unwrap().to_string(), "#0a7f5c");
        for text in ["", "0a7f5c", "#0a7f5", "#0a7f5c0", "#+a7f5c", "red", "#0a7f5é"] {
            assert_eq!(Color::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_on_every_color_can_be_read() {
        for color in colors() {
            assert!(exact(color, color.text()) >= 4.5, "{color}");
        }
    }

    #[test]
    fn a_color_is_mixed_until_it_has_the_contrast() {
        let (light, dark) = (Color::new(0xf3_f4f6), Color::new(0x23_272e));
        for color in colors() {
            assert!(exact(color.distinct(light, 4.7, Color::BLACK), light) >= 4.5, "{color}");
            assert!(exact(color.distinct(dark, 4.7, Color::WHITE), dark) >= 4.5, "{color}");
        }
        let green = Color::new(0x00_5f3c);
        assert_eq!(green.distinct(light, 4.7, Color::BLACK), green);
    }
}
