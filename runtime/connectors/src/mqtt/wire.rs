//! The packets of a session's beginning, in both versions: rumqttc's types read and write them.

use bytes::BytesMut;
use kpipe_engine::error::{About, ConnectorError, ErrorKind};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes as m5;
use rumqttc::v5::mqttbytes::v5;

use super::options::{Settings, Version};

/// Largest control packet that is accepted; a broker's CONNACK and SUBACK are far smaller.
const CONTROL_BYTES_MAX: usize = 256 * 1024;

/// The packet number of the SUBSCRIBE of a connection. Others are the broker's.
const SUBSCRIBE_ID: u16 = 1;

/// CONNECT.
pub(super) fn connect(settings: &Settings, password: Option<&str>) -> Result<BytesMut, ConnectorError> {
    let keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let mut out = BytesMut::new();
    let login = settings.username.as_deref().map(|user| (user, password.unwrap_or_default()));
    let written = match settings.version {
        Version::V311 => {
            let mut packet = v4::Connect::new(&settings.client_id);
            packet.keep_alive = keep_alive;
            packet.clean_session = settings.clean_session;
            packet.login = login.map(|(user, password)| v4::Login::new(user, password));
            packet.write(&mut out).map_err(|error| error.to_string())
        }
        Version::V5 => {
            let mut properties = v5::ConnectProperties::new();
            let expiry = u32::try_from(settings.session_expiry.as_secs()).unwrap_or(u32::MAX);
            properties.session_expiry_interval = Some(if settings.clean_session { 0 } else { expiry });
            properties.receive_maximum = Some(u16::try_from(settings.in_flight_max).unwrap_or(u16::MAX));
            // No maximum packet size: a broker drops a message that is larger without a word. Ours is found when it comes, and said.
            properties.topic_alias_max = Some(0);
            let packet = v5::Connect {
                keep_alive,
                client_id: settings.client_id.clone(),
                clean_start: settings.clean_session,
                properties: Some(properties),
            };
            let login = login.map(|(user, password)| v5::Login::new(user, password));
            packet.write(&None, &login, &mut out).map_err(|error| error.to_string())
        }
    };
    written.map_err(|error| ConnectorError::new(ErrorKind::Invalid, format!("mqtt: CONNECT cannot be written: {error}")))?;
    Ok(out)
}

/// CONNACK: whether the broker kept the session, or why it refuses.
pub(super) fn connected(settings: &Settings, packet: &mut BytesMut) -> Result<bool, ConnectorError> {
    let address = settings.address();
    let answer = match settings.version {
        Version::V311 => match v4::Packet::read(packet, CONTROL_BYTES_MAX) {
            Ok(v4::Packet::ConnAck(ack)) => Ok((ack.session_present, format!("{:?}", ack.code))),
            Ok(_) => Err("the first packet is not CONNACK".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Version::V5 => match v5::Packet::read(packet, Some(CONTROL_BYTES_MAX as u32)) {
            Ok(v5::Packet::ConnAck(ack)) => Ok((ack.session_present, format!("{:?}", ack.code))),
            Ok(_) => Err("the first packet is not CONNACK".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    };
    let (session_present, code) = answer
        .map_err(|why| ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {address}: not an MQTT broker's answer: {why}")))?;
    match code.as_str() {
        "Success" => Ok(session_present),
        "BadUserNamePassword" | "NotAuthorized" | "Banned" | "BadAuthenticationMethod" => {
            let error = ConnectorError::new(ErrorKind::Denied, format!("mqtt at {address}: the broker refuses the login ({code})"));
            Err(error.about(About::Option("password")).help("check `username` and `password` of the mqtt source"))
        }
        "RefusedProtocolVersion" | "UnsupportedProtocolVersion" => {
            let error = ConnectorError::new(ErrorKind::Invalid, format!("mqtt at {address}: the broker does not speak this MQTT version"));
            Err(error.about(About::Option("version")).help("try `version: \"3.1.1\"` or `version: \"5\"` in the mqtt source"))
        }
        "BadClientId" | "ClientIdentifierNotValid" => {
            let message = format!("mqtt at {address}: the broker refuses the client id `{}`", settings.client_id);
            Err(ConnectorError::new(ErrorKind::Invalid, message)
                .about(About::Option("client_id"))
                .help("set `client_id` in the mqtt source"))
        }
        _ => Err(ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {address}: the broker refuses the connection ({code})"))),
    }
}

/// SUBSCRIBE to all filters in one packet.
pub(super) fn subscribe(settings: &Settings, filters: &[String]) -> Result<BytesMut, ConnectorError> {
    let mut out = BytesMut::new();
    let written = match settings.version {
        Version::V311 => {
            let qos = rumqttc::qos(settings.qos).map_err(|error| error.to_string());
            qos.and_then(|qos| {
                let filters = filters.iter().map(|filter| v4::SubscribeFilter::new(filter.clone(), qos));
                let packet = v4::Subscribe { pkid: SUBSCRIBE_ID, filters: filters.collect() };
                packet.write(&mut out).map_err(|error| error.to_string())
            })
        }
        Version::V5 => m5::qos(settings.qos).ok_or_else(|| "no such quality of service".to_owned()).and_then(|qos| {
            let filters = filters.iter().map(|filter| {
                let mut filter = v5::Filter::new(filter.clone(), qos);
                // Retained messages come once, not again after each reconnect.
                filter.retain_forward_rule = v5::RetainForwardRule::OnNewSubscribe;
                filter
            });
            let mut packet = v5::Subscribe::new_many(filters, None);
            packet.pkid = SUBSCRIBE_ID;
            packet.write(&mut out).map_err(|error| error.to_string())
        }),
    };
    written.map_err(|error| ConnectorError::new(ErrorKind::Invalid, format!("mqtt: SUBSCRIBE cannot be written: {error}")))?;
    Ok(out)
}

/// SUBACK: refuses if the broker refused a filter, or granted less than asked for.
pub(super) fn subscribed(settings: &Settings, filters: &[String], packet: &mut BytesMut) -> Result<(), ConnectorError> {
    let codes: Result<Vec<Result<u8, String>>, String> = match settings.version {
        Version::V311 => match v4::Packet::read(packet, CONTROL_BYTES_MAX) {
            Ok(v4::Packet::SubAck(ack)) => Ok(ack
                .return_codes
                .iter()
                .map(|code| match code {
                    v4::SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                    v4::SubscribeReasonCode::Failure => Err("Failure".to_owned()),
                })
                .collect()),
            Ok(_) => Err("not SUBACK".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Version::V5 => match v5::Packet::read(packet, Some(CONTROL_BYTES_MAX as u32)) {
            Ok(v5::Packet::SubAck(ack)) => Ok(ack
                .return_codes
                .iter()
                .map(|code| match code {
                    v5::SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                    refused => Err(format!("{refused:?}")),
                })
                .collect()),
            Ok(_) => Err("not SUBACK".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    };
    let address = settings.address();
    let codes =
        codes.map_err(|why| ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {address}: bad answer to SUBSCRIBE: {why}")))?;
    for (filter, code) in filters.iter().zip(codes) {
        match code {
            Ok(granted) if granted >= settings.qos => {}
            Ok(granted) => {
                let message =
                    format!("mqtt at {address}: the broker grants quality of service {granted} for `{filter}`, not {}", settings.qos);
                return Err(
                    ConnectorError::new(ErrorKind::Invalid, message).help(format!("set `qos: {granted}` to accept the weaker promise"))
                );
            }
            Err(code) => {
                let message = format!("mqtt at {address}: the broker refuses the subscription to `{filter}` ({code})");
                return Err(ConnectorError::new(ErrorKind::Denied, message).help("give the user the right to subscribe to this filter"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::packet::frame;
    use super::*;
    use kpipe_compiler::plan::{OptionValue, Options};

    fn settings(version: &str) -> Settings {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let options = [("url", text("mqtt://h")), ("version", text(version)), ("username", text("u"))];
        Settings::new(&Options(options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()), "p", 0).unwrap()
    }

    #[test]
    fn a_connect_is_one_frame_in_both_versions() {
        for version in ["3.1.1", "5"] {
            let bytes = connect(&settings(version), Some("secret")).unwrap();
            let found = frame(&bytes, 1 << 20).unwrap().unwrap();
            assert_eq!((found.head, found.len), (0x10, bytes.len()));
            assert_eq!(bytes[8], if version == "5" { 5 } else { 4 }, "protocol level");
        }
    }

    #[test]
    fn a_refused_login_is_denied_and_names_no_password() {
        let error = connected(&settings("3.1.1"), &mut BytesMut::from(&[0x20, 2, 0, 4][..])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied);
        assert_eq!(error.message, "mqtt at h:1883: the broker refuses the login (BadUserNamePassword)");
        assert!(connected(&settings("3.1.1"), &mut BytesMut::from(&[0x20, 2, 1, 0][..])).unwrap());
    }

    #[test]
    fn a_refused_or_weaker_subscription_is_an_error() {
        let filters = ["a/#".to_owned(), "b".to_owned()];
        let answer =
            |codes: [u8; 2]| subscribed(&settings("3.1.1"), &filters, &mut BytesMut::from(&[0x90, 4, 0, 1, codes[0], codes[1]][..]));
        assert!(answer([1, 2]).is_ok());
        assert_eq!(answer([1, 0x80]).unwrap_err().message, "mqtt at h:1883: the broker refuses the subscription to `b` (Failure)");
        assert_eq!(answer([0, 1]).unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn a_subscribe_names_every_filter() {
        for version in ["3.1.1", "5"] {
            let bytes = subscribe(&settings(version), &["a/#".to_owned(), "b".to_owned()]).unwrap();
            let found = frame(&bytes, 1 << 20).unwrap().unwrap();
            assert_eq!((found.head, found.len), (0x82, bytes.len()));
        }
    }
}
